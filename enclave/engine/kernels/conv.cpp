#include "enclave/engine/kernels/conv_dense.h"
#include "enclave/engine/kernels/depthwise.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

Result<ConvShape> ReadShape(const WindowAttributes& attributes, int64_t groups, const Shape& x,
                            const Shape& w) {
  if (x.size() != w.size() || x.size() < 3) {
    return ShapeInvalid("Conv: input and kernel must have the same three or more axes");
  }
  ConvShape shape;
  TRY(shape.window, SlideWindow(attributes, x, {w.begin() + 2, w.end()}));
  shape.batch = x[0];
  shape.groups = groups;
  shape.in_channels = x[1];
  shape.out_channels = w[0];
  if (x[1] == 0) return ShapeInvalid("Conv: the input has no channels");
  if (x[1] % groups != 0 || w[0] % groups != 0 || x[1] / groups != w[1]) {
    return ShapeInvalid("Conv: the channels of input, kernel and groups don't fit");
  }
  return shape;
}

/// Convolution over one, two or three spatial axes. Types: float32.
/// Shapes: X [N,C,spatial...], W [M,C/group,kernel...], B [M] or left out.
/// Errors: kUnsupported `type_unsupported`, `operator_unsupported` (more axes); kMalformed
/// `shape_invalid`, `attribute_invalid`, `input_invalid`.
/// Source: ONNX operator Conv, versions 1 and 11.
class Conv final : public Kernel {
 public:
  Conv(WindowAttributes attributes, int64_t groups)
      : attributes_(std::move(attributes)), groups_(groups) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY_OK(RequireFloat(context, 1));
    TRY(const ConvShape shape,
        ReadShape(attributes_, groups_, context.InputShape(0), context.InputShape(1)));
    ConvOperands operands;
    if (context.HasInput(2)) {
      TRY_OK(RequireFloat(context, 2));
      if (context.InputShape(2) != Shape{shape.out_channels}) {
        return ShapeInvalid("Conv: the bias must have one element per output channel");
      }
      TRY(const TensorView bias, context.Input(2));
      operands.bias = bias.Values<float>().data();
    }
    TRY(const TensorView x, context.Input(0));
    operands.x = x.Values<float>().data();
    TRY(Tensor * y, context.Output(0, ElementType::kFloat,
                                   WindowShape(shape.batch, shape.out_channels, shape.window,
                                               shape.window.output)));
    if (y->byte_count() == 0) return {};
    operands.y = y->MutableValues<float>().data();
    return Convolve(context, shape, operands);
  }

 private:
  static Done Convolve(KernelContext& context, const ConvShape& shape,
                       const ConvOperands& operands) {
    const bool depthwise = shape.group_inputs() == 1 && shape.groups > 1;
    if (context.IsWeight(1)) {
      TRY(const weights::PanelStream kernel, context.Panels(1));
      if (depthwise) return DepthwiseSealed(context, shape, operands, kernel);
      if (kernel.panel_count() > 1) return ConvSealed(context, shape, operands, kernel);
    }
    TRY(const TensorView kernel, context.Input(1));
    const float* values = kernel.Values<float>().data();
    if (!depthwise) return ConvOpen(context, shape, operands, values);
    ConvDepthwise(context.threads(), shape, operands, values, 0, shape.out_channels);
    return {};
  }

  static Done DepthwiseSealed(KernelContext& context, const ConvShape& shape,
                              const ConvOperands& operands, const weights::PanelStream& kernel) {
    for (size_t i = 0; i < kernel.panel_count(); ++i) {
      TRY(const weights::OpenPanel panel, kernel.Open(i));
      ConvDepthwise(context.threads(), shape, operands, panel.Values<float>(), panel.begin(),
                    panel.end());
    }
    return {};
  }

  WindowAttributes attributes_;
  int64_t groups_;
};

}  // namespace

MadeKernel MakeConv(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(WindowAttributes attributes, WindowAttributes::Read(node.attributes));
  TRY(const int64_t groups, node.attributes.Int("group", 1));
  if (groups < 1) return AttributeInvalid("Conv: attribute 'group' is less than 1");
  return std::make_unique<Conv>(std::move(attributes), groups);
}

}  // namespace ephemeralml::engine::kernels
