#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

class PRelu final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const Operands operands, ReadOperands(context));
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
};

}  // namespace

/// x, or slope * x below 0; the slope broadcasts to x. Types: float and double.
/// Source: ONNX operator PRelu, versions 7 to 16.
MadeKernel MakePRelu(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<PRelu>();
}

}  // namespace ephemeralml::engine::kernels
