// Logic on booleans, which are bytes: any but 0 is true, and results are 0 or 1.

#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class Function>
class Logic final : public Kernel {
 public:
  Logic(Function function, LegacyAxis legacy) : function_(function), legacy_(legacy) {}

  Done Run(KernelContext& context) const override {
    TRY(const Operands operands, ReadOperands(context, legacy_));
    if (operands.a.type != ElementType::kBool) return TypeUnsupported(operands.a.type);
    const Broadcast& broadcast = operands.broadcast;
    TRY(Tensor * output, context.Output(0, ElementType::kBool, broadcast.output_shape()));
    Zip(context.threads(), broadcast, Raw<uint8_t>(operands.a), Raw<uint8_t>(operands.b),
        Raw<uint8_t>(*output), [function = function_](uint8_t a, uint8_t b) {
          return static_cast<uint8_t>(function(a != 0, b != 0));
        });
    return {};
  }

 private:
  Function function_;
  LegacyAxis legacy_;
};

template <class Function>
MadeKernel MakeLogic(const NodeSpec& node, Function function) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const LegacyAxis legacy, ReadLegacyAxis(node));
  return std::make_unique<Logic<Function>>(function, legacy);
}

class Not final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.type != ElementType::kBool) return TypeUnsupported(input.type);
    TRY(Tensor * output, context.Output(0, input.type, input.shape));
    Map(context.threads(), Raw<uint8_t>(input), Raw<uint8_t>(*output), input.bytes.size(),
        [](uint8_t x) { return static_cast<uint8_t>(x == 0); });
    return {};
  }
};

}  // namespace

/// Source: ONNX operator And, versions 1 and 7.
MadeKernel MakeAnd(const NodeSpec& node) {
  return MakeLogic(node, [](bool a, bool b) { return a && b; });
}

/// Source: ONNX operator Or, versions 1 and 7.
MadeKernel MakeOr(const NodeSpec& node) {
  return MakeLogic(node, [](bool a, bool b) { return a || b; });
}

/// Source: ONNX operator Xor, versions 1 and 7.
MadeKernel MakeXor(const NodeSpec& node) {
  return MakeLogic(node, [](bool a, bool b) { return a != b; });
}

/// Source: ONNX operator Not, version 1.
MadeKernel MakeNot(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<Not>();
}

}  // namespace ephemeralml::engine::kernels
