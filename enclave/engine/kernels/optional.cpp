// Operators on optionals. One that holds a value is that value; one that doesn't is nothing.

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

class Optional final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    Tensor value = Tensor::Nothing();
    if (context.HasInput(0)) {
      TRY(value, context.InputValue(0));
    }
    context.SetOutput(0, std::move(value));
    return {};
  }
};

class OptionalGetElement final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(Tensor value, RequiredValue(context, 0));
    if (value.kind() == ValueKind::kNothing) {
      return InputInvalid("OptionalGetElement: the optional holds nothing");
    }
    context.SetOutput(0, std::move(value));
    return {};
  }
};

class OptionalHasElement final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    const bool has = context.HasInput(0) && context.InputKind(0) != ValueKind::kNothing;
    TRY(Tensor * output, context.Output(0, ElementType::kBool, {}));
    output->MutableBytes()[0] = has ? 1 : 0;
    return {};
  }
};

}  // namespace

/// Source: ONNX operator Optional, version 15.
MadeKernel MakeOptional(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 0}));
  return std::make_unique<Optional>();
}

/// Source: ONNX operator OptionalGetElement, versions 15 and 18.
MadeKernel MakeOptionalGetElement(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<OptionalGetElement>();
}

/// Source: ONNX operator OptionalHasElement, versions 15 and 18.
MadeKernel MakeOptionalHasElement(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 0}));
  return std::make_unique<OptionalHasElement>();
}

}  // namespace ephemeralml::engine::kernels
