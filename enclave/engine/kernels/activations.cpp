// Activation functions. Attributes are single precision in ONNX, whatever the tensor's type.

#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/unary.h"
#include "enclave/engine/kernels/vector_math.h"

namespace ephemeralml::engine::kernels {

/// max(0, x). Source: ONNX operator Relu, versions 1 to 14.
MadeKernel MakeRelu(const NodeSpec& node) {
  // Written so that a NaN stays one.
  return MakeUnary<SignedTypes>(node, []<class T>(T x) -> T { return x < T{0} ? T{0} : x; });
}

/// Source: ONNX operator Sigmoid, versions 1 to 13.
MadeKernel MakeSigmoid(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return Sigmoid(x); });
}

/// ln(1 + e^x), without overflow. Source: ONNX operator Softplus, version 1.
MadeKernel MakeSoftplus(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, []<class T>(T x) {
    return (x > T{0} ? x : T{0}) + std::log1p(std::exp(-std::fabs(x)));
  });
}

/// x, or alpha * (e^x - 1) below 0. Source: ONNX operator Elu, versions 1 and 6.
MadeKernel MakeElu(const NodeSpec& node) {
  TRY(const float alpha, node.attributes.Float("alpha", 1.0f));
  return MakeUnary<FloatTypes>(node, [alpha]<class T>(T x) -> T {
    return x < T{0} ? static_cast<T>(alpha) * std::expm1(x) : x;
  });
}

/// x, or alpha * x below 0. Source: ONNX operator LeakyRelu, versions 1 to 16.
MadeKernel MakeLeakyRelu(const NodeSpec& node) {
  TRY(const float alpha, node.attributes.Float("alpha", 0.01f));
  return MakeUnary<FloatTypes>(
      node, [alpha]<class T>(T x) -> T { return x < T{0} ? static_cast<T>(alpha) * x : x; });
}

/// max(0, min(1, alpha * x + beta)). Source: ONNX operator HardSigmoid, versions 1 and 6.
MadeKernel MakeHardSigmoid(const NodeSpec& node) {
  TRY(const float alpha, node.attributes.Float("alpha", 0.2f));
  TRY(const float beta, node.attributes.Float("beta", 0.5f));
  return MakeUnary<FloatTypes>(node, [alpha, beta]<class T>(T x) -> T {
    return std::clamp(static_cast<T>(alpha) * x + static_cast<T>(beta), T{0}, T{1});
  });
}

/// x * max(0, min(1, x / 6 + 1 / 2)). Source: ONNX operator HardSwish, version 14.
MadeKernel MakeHardSwish(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(
      node, []<class T>(T x) -> T { return x * std::clamp(x / T{6} + T{0.5}, T{0}, T{1}); });
}

/// x times the normal distribution's cumulative probability, or its approximation by tanh.
/// Source: ONNX operator Gelu, version 20.
MadeKernel MakeGelu(const NodeSpec& node) {
  TRY(const std::string approximate, node.attributes.String("approximate", "none"));
  const std::string_view kind = approximate;
  if (kind == "none") {
    return MakeUnary<FloatTypes>(node, []<class T>(T x) -> T {
      return T{0.5} * x * (T{1} + Erf(x * static_cast<T>(0.70710678118654752440)));
    });
  }
  if (kind == "tanh") {
    return MakeUnary<FloatTypes>(node, []<class T>(T x) -> T {
      constexpr auto kRootOfTwoOverPi = static_cast<T>(0.79788456080286535588);
      const T inner = kRootOfTwoOverPi * (x + static_cast<T>(0.044715) * x * x * x);
      return T{0.5} * x * (T{1} + Tanh(inner));
    });
  }
  return AttributeInvalid("Gelu: attribute 'approximate' must be none or tanh");
}

}  // namespace ephemeralml::engine::kernels
