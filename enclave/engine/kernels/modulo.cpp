#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

// No divisor is 0: the kernel looks first. The lowest number over -1 would overflow.
template <class T>
T IntegerRemainder(T a, T b, bool as_fmod) {
  if constexpr (std::is_signed_v<T>) {
    if (b == T{-1}) return T{0};
  }
  const T rest = static_cast<T>(a % b);
  const bool flips = !as_fmod && rest != 0 && ((rest < 0) != (b < 0));
  return flips ? static_cast<T>(rest + b) : rest;
}

class Mod final : public Kernel {
 public:
  explicit Mod(bool as_fmod) : as_fmod_(as_fmod) {}

  Done Run(KernelContext& context) const override {
    TRY(const Operands operands, ReadOperands(context));
    return WithType(NumericTypes{}, operands.a.type, [&]<class T>(std::type_identity<T>) -> Done {
      const auto b = operands.b.Values<T>();
      if (std::is_integral_v<T> && std::ranges::find(b, T{0}) != b.end()) {
        return InputInvalid("an integer is divided by zero");
      }
      const Broadcast& broadcast = operands.broadcast;
      TRY(Tensor * output, context.Output(0, operands.a.type, broadcast.output_shape()));
      Zip(context.threads(), broadcast, Raw<T>(operands.a), b.data(), Raw<T>(*output),
          [&](T x, T y) -> T {
            if constexpr (std::is_floating_point_v<T>) {
              return std::fmod(x, y);
            } else {
              return IntegerRemainder(x, y, as_fmod_);
            }
          });
      return {};
    });
  }

 private:
  bool as_fmod_;
};

}  // namespace

/// The remainder: with the divisor's sign, or with the dividend's if `fmod` is set, which floats
/// need. Errors: kMalformed `input_invalid` (an integer zero divides). Source: ONNX operator Mod,
/// versions 10 and 13.
MadeKernel MakeMod(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t as_fmod, node.attributes.Int("fmod", 0));
  return std::make_unique<Mod>(as_fmod != 0);
}

}  // namespace ephemeralml::engine::kernels
