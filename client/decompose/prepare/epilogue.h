#pragma once
// What follows a product of ours and can be done before its result is stored: a bias, a residual,
// an activation, in this order.

#include <functional>

#include "client/decompose/prepare/activation.h"

namespace ephemeralml::decompose {

struct Epilogue {
  const onnx::Tensor* bias = nullptr;
  ValueId residual = 0;
  Activation activation;
  const ProgramNode* last = nullptr;  ///< the product itself, if nothing follows
};

/// The constant that is added to every row or channel; null if the value is no such thing.
using FindBias = std::function<const onnx::Tensor*(ValueId)>;

/// Follows what is done to the first output of `product`, of which `bias` may be part already. A
/// residual has the product's shape in every run.
Epilogue FollowEpilogue(const Rewriter& rewriter, const Facts& facts, const ProgramNode& product,
                        const onnx::Tensor* bias, const FindBias& find_bias);

}  // namespace ephemeralml::decompose
