#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

class Dropout final : public Kernel {
 public:
  explicit Dropout(bool mask_is_boolean) : mask_is_boolean_(mask_is_boolean) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY_OK(RefuseTraining(context));
    const Shape shape = context.InputShape(0);
    const ElementType type = context.InputType(0);
    TRY_OK(context.ForwardInput(0, 0, shape));
    if (context.output_count() < 2 || !context.WantsOutput(1)) return {};
    if (mask_is_boolean_) return WriteMask<uint8_t>(context, ElementType::kBool, shape);
    return WithType(FloatTypes{}, type, [&]<class T>(std::type_identity<T>) {
      return WriteMask<T>(context, type, shape);
    });
  }

 private:
  static Done RefuseTraining(KernelContext& context) {
    if (!context.HasInput(2)) return {};
    TRY(const TensorView training, context.Input(2));
    if (training.type != ElementType::kBool || training.bytes.size() != 1) {
      return InputInvalid("Dropout: 'training_mode' must be one boolean");
    }
    if (training.bytes[0] != 0) {
      return Error{Code::kUnsupported, "operator_unsupported",
                   "Dropout: the model asks for training mode; export it for inference"};
    }
    return {};
  }

  template <class T>
  static Done WriteMask(KernelContext& context, ElementType type, const Shape& shape) {
    TRY(Tensor * mask, context.Output(1, type, shape));
    std::fill_n(Raw<T>(*mask), mask->byte_count() / sizeof(T), T{1});
    return {};
  }

  bool mask_is_boolean_;
};

}  // namespace

/// In inference everything is kept: the output is the input, the mask all ones.
/// Errors: kUnsupported `operator_unsupported` (training mode).
/// Source: ONNX operator Dropout, versions 7 to 13.
MadeKernel MakeDropout(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 1,
                           .most_inputs = node.opset >= 12 ? size_t{3} : size_t{1},
                           .least_outputs = 1,
                           .most_outputs = 2}));
  return std::make_unique<Dropout>(node.opset >= 10);
}

}  // namespace ephemeralml::engine::kernels
