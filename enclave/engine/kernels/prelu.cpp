#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

class PRelu final : public Kernel {
 public:
  explicit PRelu(bool is_per_channel) : is_per_channel_(is_per_channel) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 1));
    const bool has_channels = is_per_channel_ && context.InputShape(1) != Shape{1};
    TRY(const Operands operands,
        ReadOperands(context, has_channels ? LegacyAxis(1) : LegacyAxis()));
    const TensorView& x = operands.a;
    if (operands.broadcast.output_shape() != x.shape) {
      return ShapeInvalid("PRelu: the slope doesn't broadcast to the input's shape");
    }
    return WithType(FloatTypes{}, x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, x.type, x.shape));
      Zip(context.threads(), operands.broadcast, x.Values<T>().data(), Raw<T>(operands.b),
          Raw<T>(*output), [](T value, T slope) { return value < T{0} ? value * slope : value; });
      return {};
    });
  }

 private:
  bool is_per_channel_;
};

}  // namespace

/// x, or slope * x below 0; the slope broadcasts to x, or, before version 7, holds one number or
/// one a channel. Types: float and double. Source: ONNX operator PRelu, versions 1 to 16.
MadeKernel MakePRelu(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<PRelu>(node.opset < 7);
}

}  // namespace ephemeralml::engine::kernels
