#include <limits>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

class Cast final : public Kernel {
 public:
  explicit Cast(ElementType type) : type_(type) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    if (context.InputType(0) == type_) {
      return context.ForwardInput(0, 0, context.InputShape(0));
    }
    TRY(const TensorView input, context.Input(0));
    TRY(Tensor * output, context.Output(0, type_, input.shape));
    return ConvertElements(context.threads(), input, type_, output->MutableBytes());
  }

 private:
  ElementType type_;
};

}  // namespace

/// Elements as another type. Types: all of fixed width, not string, nor the 8-bit floats (so that
/// `saturate` has no effect). Source: ONNX operator Cast, versions 6 to 21.
MadeKernel MakeCast(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t to, node.attributes.RequiredInt("to"));
  const auto type = static_cast<ElementType>(to);
  if (!std::in_range<uint8_t>(to) || wire::ElementBytes(type) == 0) {
    return Error{Code::kUnsupported, "type_unsupported",
                 "Cast: elements can't be converted to the type that attribute 'to' names"};
  }
  return std::make_unique<Cast>(type);
}

}  // namespace ephemeralml::engine::kernels
