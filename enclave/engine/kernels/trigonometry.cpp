// Trigonometric and hyperbolic functions, and their inverses.

#include <cmath>

#include "enclave/engine/kernels/unary.h"

namespace ephemeralml::engine::kernels {

/// Source: ONNX operator Acos, version 7.
MadeKernel MakeAcos(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::acos(x); });
}

/// Source: ONNX operator Acosh, version 9.
MadeKernel MakeAcosh(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::acosh(x); });
}

/// Source: ONNX operator Asin, version 7.
MadeKernel MakeAsin(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::asin(x); });
}

/// Source: ONNX operator Asinh, version 9.
MadeKernel MakeAsinh(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::asinh(x); });
}

/// Source: ONNX operator Atan, version 7.
MadeKernel MakeAtan(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::atan(x); });
}

/// Source: ONNX operator Atanh, version 9.
MadeKernel MakeAtanh(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::atanh(x); });
}

/// Source: ONNX operator Cosh, version 9.
MadeKernel MakeCosh(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::cosh(x); });
}

/// Source: ONNX operator Sinh, version 9.
MadeKernel MakeSinh(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::sinh(x); });
}

/// Source: ONNX operator Tan, version 7.
MadeKernel MakeTan(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::tan(x); });
}

}  // namespace ephemeralml::engine::kernels
