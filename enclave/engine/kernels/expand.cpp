#include "enclave/engine/kernels/broadcast.h"
#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

class Expand final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const Shape wanted, ReadIntegers(context, 1));
    TRY_OK(ElementCount(wanted));
    const Shape& given = context.InputShape(0);
    TRY(const Shape shape, BroadcastShapes(given, wanted));
    if (shape == given) return context.ForwardInput(0, 0, shape);
    TRY(const TensorView input, context.Input(0));
    TRY(Tensor * output, context.Output(0, input.type, shape));
    const std::vector<int64_t> source_strides = Strides(given);
    const std::vector<int64_t> target_strides = Strides(shape);
    const size_t added = shape.size() - given.size();
    std::vector<BoxAxis> box;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      const bool repeats = axis < added || given[axis - added] == 1;
      box.push_back(
          {shape[axis], repeats ? 0 : source_strides[axis - added], target_strides[axis]});
    }
    CopyBox(context.threads(), wire::ElementBytes(input.type), box, input.bytes.data(),
            output->MutableBytes().data());
    return {};
  }
};

}  // namespace

/// Broadcasts to a shape, both ways. Types: any of fixed width.
/// Source: ONNX operator Expand, versions 8 and 13.
MadeKernel MakeExpand(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<Expand>();
}

}  // namespace ephemeralml::engine::kernels
