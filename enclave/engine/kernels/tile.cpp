#include "common/base/checked.h"
#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

class Tile final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const std::vector<int64_t> repeats, ReadIntegers(context, 1));
    const Shape& given = context.InputShape(0);
    if (repeats.size() != given.size()) {
      return InputInvalid("Tile: there must be one number of repeats for each axis");
    }
    Shape shape;
    for (size_t axis = 0; axis < given.size(); ++axis) {
      if (repeats[axis] < 0) return InputInvalid("Tile: a number of repeats is negative");
      TRY(const int64_t extent, CheckedMultiply(given[axis], repeats[axis]));
      shape.push_back(extent);
    }
    if (shape == given) return context.ForwardInput(0, 0, shape);
    TRY(const TensorView input, context.Input(0));
    TRY(Tensor * output, context.Output(0, input.type, shape));
    const std::vector<int64_t> source_strides = Strides(given);
    const std::vector<int64_t> target_strides = Strides(shape);
    std::vector<BoxAxis> box;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      box.push_back({repeats[axis], 0, target_strides[axis] * given[axis]});
      box.push_back({given[axis], source_strides[axis], target_strides[axis]});
    }
    CopyBox(context.threads(), wire::ElementBytes(input.type), box, input.bytes.data(),
            output->MutableBytes().data());
    return {};
  }
};

}  // namespace

/// Repeats a tensor along its axes. Types: any of fixed width.
/// Source: ONNX operator Tile, versions 6 and 13.
MadeKernel MakeTile(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  return std::make_unique<Tile>();
}

}  // namespace ephemeralml::engine::kernels
