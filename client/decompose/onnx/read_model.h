#pragma once
// Reads a serialized onnx.ModelProto into views. Hostile bytes: bounded in size, depth and count.

#include "client/decompose/onnx/model.h"
#include "common/base/result.h"

namespace ephemeralml::onnx {

inline constexpr int kDeepestGraph = 32;
/// Nodes, tensors, attributes, names and numbers in a model, all told.
inline constexpr size_t kMostItems = 4'000'000;

/// The views are valid while `bytes` are.
/// Errors: kMalformed `onnx_malformed`; kOverLimit `onnx_too_large` (2 GiB, as Protocol Buffers
/// allow; graphs nested deeper than kDeepestGraph; more than kMostItems).
Result<Model> ReadModel(ByteSpan bytes);

}  // namespace ephemeralml::onnx
