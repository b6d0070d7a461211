// Mathematical functions of one operand.

#include <cmath>

#include "enclave/engine/kernels/unary.h"
#include "enclave/engine/kernels/vector_math.h"

namespace ephemeralml::engine::kernels {

/// Source: ONNX operator Abs, versions 1 to 13. The lowest signed integer stays what it is.
MadeKernel MakeAbs(const NodeSpec& node) {
  return MakeUnary<NumericTypes>(node, []<class T>(T x) -> T {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fabs(x);
    } else if constexpr (std::is_signed_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;
      const auto bits = static_cast<Unsigned>(x);
      return static_cast<T>(x < 0 ? static_cast<Unsigned>(Unsigned{0} - bits) : bits);
    } else {
      return x;
    }
  });
}

/// Source: ONNX operator Neg, versions 1 to 13. The lowest integer stays what it is.
MadeKernel MakeNeg(const NodeSpec& node) {
  return MakeUnary<SignedTypes>(node, []<class T>(T x) -> T {
    if constexpr (std::is_floating_point_v<T>) {
      return -x;
    } else {
      using Unsigned = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<Unsigned>(Unsigned{0} - static_cast<Unsigned>(x)));
    }
  });
}

/// Source: ONNX operator Sign, versions 9 and 13. The sign of a NaN is NaN.
MadeKernel MakeSign(const NodeSpec& node) {
  return MakeUnary<NumericTypes>(node, []<class T>(T x) -> T {
    if constexpr (std::is_floating_point_v<T>) {
      return x > T{0} ? T{1} : (x < T{0} ? T{-1} : x);
    } else {
      return static_cast<T>((x > T{0}) - (x < T{0}));
    }
  });
}

/// Source: ONNX operator Ceil, versions 1 to 13.
MadeKernel MakeCeil(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::ceil(x); });
}

/// Source: ONNX operator Floor, versions 1 to 13.
MadeKernel MakeFloor(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::floor(x); });
}

/// Rounds halves to even. Source: ONNX operator Round, version 11.
MadeKernel MakeRound(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::nearbyint(x); });
}

/// Source: ONNX operator Reciprocal, versions 1 to 13.
MadeKernel MakeReciprocal(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, []<class T>(T x) { return T{1} / x; });
}

/// Source: ONNX operator Sqrt, versions 1 to 13.
MadeKernel MakeSqrt(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::sqrt(x); });
}

/// Source: ONNX operator Exp, versions 1 to 13.
MadeKernel MakeExp(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return Exp(x); });
}

/// Source: ONNX operator Log, versions 1 to 13.
MadeKernel MakeLog(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::log(x); });
}

/// Source: ONNX operator Sin, version 7.
MadeKernel MakeSin(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::sin(x); });
}

/// Source: ONNX operator Cos, version 7.
MadeKernel MakeCos(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return std::cos(x); });
}

/// Source: ONNX operator Erf, versions 9 and 13.
MadeKernel MakeErf(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return Erf(x); });
}

/// Source: ONNX operator Tanh, versions 1 to 13.
MadeKernel MakeTanh(const NodeSpec& node) {
  return MakeUnary<FloatTypes>(node, [](auto x) { return Tanh(x); });
}

}  // namespace ephemeralml::engine::kernels
