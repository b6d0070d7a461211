// Activation functions. Attributes are single precision in ONNX, whatever the tensor's type.

#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/saturate.h"
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

/// x, or alpha * (e^(x / alpha) - 1) below 0. Source: ONNX operator Celu, version 12.
MadeKernel MakeCelu(const NodeSpec& node) {
  TRY(const float alpha, node.attributes.Float("alpha", 1.0f));
  return MakeUnary<FloatTypes>(node, [alpha]<class T>(T x) -> T {
    const auto a = static_cast<T>(alpha);
    return x < T{0} ? a * std::expm1(x / a) : x;
  });
}

/// gamma times x, or times alpha * (e^x - 1) below 0. Source: ONNX operator Selu, versions 1 and 6.
MadeKernel MakeSelu(const NodeSpec& node) {
  const bool is_first = node.opset < 6;
  TRY(const float alpha, node.attributes.Float("alpha", is_first ? 1.6732f : 1.67326319f));
  TRY(const float gamma, node.attributes.Float("gamma", is_first ? 1.0507f : 1.05070102f));
  return MakeUnary<FloatTypes>(node, [alpha, gamma]<class T>(T x) -> T {
    const T inner = x > T{0} ? x : static_cast<T>(alpha) * std::expm1(x);
    return static_cast<T>(gamma) * inner;
  });
}

/// x / (1 + |x|). Source: ONNX operator Softsign, version 1.
MadeKernel MakeSoftsign(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, []<class T>(T x) -> T { return x / (T{1} + std::fabs(x)); });
}

/// x above alpha, else 0. Source: ONNX operator ThresholdedRelu, version 10.
MadeKernel MakeThresholdedRelu(const NodeSpec& node) {
  TRY(const float alpha, node.attributes.Float("alpha", 1.0f));
  return MakeUnary<FloatTypes>(
      node, [alpha]<class T>(T x) -> T { return x > static_cast<T>(alpha) ? x : T{0}; });
}

/// x moved by `bias` towards 0 outside of [-lambd, lambd], 0 inside. Source: ONNX operator Shrink,
/// version 9.
MadeKernel MakeShrink(const NodeSpec& node) {
  TRY(const float bias, node.attributes.Float("bias", 0.0f));
  TRY(const float lambda, node.attributes.Float("lambd", 0.5f));
  return MakeUnary<NumericTypes>(node, [bias, lambda]<class T>(T x) -> T {
    using Wide = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const auto value = static_cast<Wide>(x);
    Wide moved = 0;
    if (value < -static_cast<Wide>(lambda)) moved = value + static_cast<Wide>(bias);
    if (value > static_cast<Wide>(lambda)) moved = value - static_cast<Wide>(bias);
    if constexpr (std::is_integral_v<T>) {
      return Saturated<T>(moved);
    } else {
      return moved;
    }
  });
}

/// x * tanh(ln(1 + e^x)). Source: ONNX operator Mish, version 18.
MadeKernel MakeMish(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, []<class T>(T x) -> T {
    const T softplus = (x > T{0} ? x : T{0}) + std::log1p(std::exp(-std::fabs(x)));
    return x * std::tanh(softplus);
  });
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
