// Operators on the bits of integers.

#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

using IntegerTypes =
    TypeList<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
using UnsignedTypes = TypeList<uint8_t, uint16_t, uint32_t, uint64_t>;

template <class Types, class Function>
class Bitwise final : public Kernel {
 public:
  explicit Bitwise(Function function) : function_(function) {}

  Done Run(KernelContext& context) const override {
    TRY(const Operands operands, ReadOperands(context));
    return WithType(Types{}, operands.a.type, [&]<class T>(std::type_identity<T>) -> Done {
      const Broadcast& broadcast = operands.broadcast;
      TRY(Tensor * output, context.Output(0, operands.a.type, broadcast.output_shape()));
      Zip(context.threads(), broadcast, Raw<T>(operands.a), Raw<T>(operands.b), Raw<T>(*output),
          function_);
      return {};
    });
  }

 private:
  Function function_;
};

template <class Types, class Function>
MadeKernel MakeBitwise(const NodeSpec& node, Function function) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<Bitwise<Types, Function>>(function);
}

// C++ leaves a shift by the width or more undefined; ONNX's reference gives 0.
template <class T, class Shift>
T Shifted(T value, T by, Shift shift) {
  if (by >= sizeof(T) * 8) return T{0};
  return static_cast<T>(shift(value, by));
}

}  // namespace

/// Source: ONNX operator BitwiseAnd, version 18.
MadeKernel MakeBitwiseAnd(const NodeSpec& node) {
  return MakeBitwise<IntegerTypes>(node,
                                   []<class T>(T a, T b) -> T { return static_cast<T>(a & b); });
}

/// Source: ONNX operator BitwiseOr, version 18.
MadeKernel MakeBitwiseOr(const NodeSpec& node) {
  return MakeBitwise<IntegerTypes>(node,
                                   []<class T>(T a, T b) -> T { return static_cast<T>(a | b); });
}

/// Source: ONNX operator BitwiseXor, version 18.
MadeKernel MakeBitwiseXor(const NodeSpec& node) {
  return MakeBitwise<IntegerTypes>(node,
                                   []<class T>(T a, T b) -> T { return static_cast<T>(a ^ b); });
}

/// Source: ONNX operator BitwiseNot, version 18.
MadeKernel MakeBitwiseNot(const NodeSpec& node) {
  return MakeUnary<IntegerTypes>(node, []<class T>(T x) -> T { return static_cast<T>(~x); });
}

/// Source: ONNX operator BitShift, version 11.
MadeKernel MakeBitShift(const NodeSpec& node) {
  TRY(const std::string direction, node.attributes.String("direction", ""));
  if (direction == std::string_view("LEFT")) {
    return MakeBitwise<UnsignedTypes>(node, []<class T>(T a, T b) -> T {
      return Shifted(a, b, [](auto x, auto y) { return x << y; });
    });
  }
  if (direction == std::string_view("RIGHT")) {
    return MakeBitwise<UnsignedTypes>(node, []<class T>(T a, T b) -> T {
      return Shifted(a, b, [](auto x, auto y) { return x >> y; });
    });
  }
  return AttributeInvalid("BitShift: attribute 'direction' must be LEFT or RIGHT");
}

}  // namespace ephemeralml::engine::kernels
