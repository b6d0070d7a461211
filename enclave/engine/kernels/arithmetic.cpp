// Add, Sub, Mul, Div: two operands of one numeric type under broadcasting.

#include <algorithm>
#include <limits>

#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

// Integers wrap, as they do in the other implementations: counted in an unsigned type at least as
// wide as int, because C++ leaves the overflow of signed ones undefined, and promotes narrower ones
// to int.
template <class T>
using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T, class Function>
T Wrap(T a, T b, Function function) {
  if constexpr (std::is_floating_point_v<T>) {
    return function(a, b);
  } else {
    return static_cast<T>(function(static_cast<Wrapping<T>>(a), static_cast<Wrapping<T>>(b)));
  }
}

// Truncates towards zero. No divisor is 0: the kernel looks first.
template <class T>
T Quotient(T a, T b) {
  if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
    // The lowest number over -1 overflows; as a difference it wraps.
    if (b == T{-1}) return Wrap(T{0}, a, [](auto x, auto y) { return x - y; });
  }
  return static_cast<T>(a / b);
}

template <class Function>
class Arithmetic final : public Kernel {
 public:
  Arithmetic(Function function, bool divides, LegacyAxis legacy)
      : function_(function), divides_(divides), legacy_(legacy) {}

  Done Run(KernelContext& context) const override {
    TRY(const Operands operands, ReadOperands(context, legacy_));
    const TensorView& a = operands.a;
    return WithType(NumericTypes{}, a.type, [&]<class T>(std::type_identity<T>) -> Done {
      const auto b = operands.b.Values<T>();
      if (divides_ && std::is_integral_v<T> && std::ranges::find(b, T{0}) != b.end()) {
        return InputInvalid("an integer is divided by zero");
      }
      const Broadcast& broadcast = operands.broadcast;
      TRY(Tensor * output, context.OutputToOverwrite(0, a.type, broadcast.output_shape()));
      Zip(context.threads(), broadcast, a.Values<T>().data(), b.data(), Raw<T>(*output), function_);
      return {};
    });
  }

 private:
  Function function_;
  bool divides_;
  LegacyAxis legacy_;
};

template <class Function>
MadeKernel MakeArithmetic(const NodeSpec& node, Function function, bool divides = false) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const LegacyAxis legacy, ReadLegacyAxis(node));
  return std::make_unique<Arithmetic<Function>>(function, divides, legacy);
}

}  // namespace

/// Source: ONNX operator Add, versions 1 to 14.
MadeKernel MakeAdd(const NodeSpec& node) {
  return MakeArithmetic(node, []<class T>(T a, T b) -> T {
    return Wrap(a, b, [](auto x, auto y) { return x + y; });
  });
}

/// Source: ONNX operator Sub, versions 1 to 14.
MadeKernel MakeSub(const NodeSpec& node) {
  return MakeArithmetic(node, []<class T>(T a, T b) -> T {
    return Wrap(a, b, [](auto x, auto y) { return x - y; });
  });
}

/// Source: ONNX operator Mul, versions 1 to 14.
MadeKernel MakeMul(const NodeSpec& node) {
  return MakeArithmetic(node, []<class T>(T a, T b) -> T {
    return Wrap(a, b, [](auto x, auto y) { return x * y; });
  });
}

/// Integers are truncated towards zero. Errors: kMalformed `input_invalid` (an integer zero
/// divides). Source: ONNX operator Div, versions 1 to 14.
MadeKernel MakeDiv(const NodeSpec& node) {
  return MakeArithmetic(
      node, []<class T>(T a, T b) -> T { return Quotient(a, b); }, true);
}

}  // namespace ephemeralml::engine::kernels
