#include "common/base/checked.h"
#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kMostInputs = 4096;

class Concat final : public Kernel {
 public:
  explicit Concat(int64_t axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const ElementType type = context.InputType(0);
    TRY(const size_t axis, NormalizeAxis(axis_, context.InputShape(0).size()));
    TRY(const Shape shape, OutputShape(context, axis));
    if (context.input_count() == 1) return context.ForwardInput(0, 0, shape);
    TRY(Tensor * output, context.OutputToOverwrite(0, type, shape));
    // A row holds everything inside one step of the axes before the one that grows.
    TRY(const size_t rows, CountBetween(shape, 0, axis));
    TRY(const size_t inner, CountBetween(shape, axis + 1, shape.size()));
    const size_t width = wire::ElementBytes(type);
    const int64_t target_row = shape[axis] * static_cast<int64_t>(inner);
    uint8_t* target = output->MutableBytes().data();
    if (output->byte_count() == 0) return {};
    for (size_t i = 0; i < context.input_count(); ++i) {
      TRY(const TensorView input, context.Input(i));
      const int64_t row = input.shape[axis] * static_cast<int64_t>(inner);
      CopyBox(context.threads(), width,
              {{static_cast<int64_t>(rows), row, target_row}, {row, 1, 1}}, input.bytes.data(),
              target);
      target += static_cast<size_t>(row) * width;
    }
    return {};
  }

 private:
  static Result<Shape> OutputShape(const KernelContext& context, size_t axis) {
    Shape shape = context.InputShape(0);
    for (size_t i = 1; i < context.input_count(); ++i) {
      TRY_OK(RequireInput(context, i));
      if (context.InputType(i) != context.InputType(0)) {
        return InputInvalid("Concat: the inputs' types differ");
      }
      Shape next = context.InputShape(i);
      if (next.size() != shape.size()) return ShapeInvalid("Concat: the inputs' ranks differ");
      TRY(const int64_t extent, CheckedAdd(shape[axis], next[axis]));
      next[axis] = shape[axis];
      if (next != shape) {
        return ShapeInvalid("Concat: the inputs' shapes differ beside the axis that they join");
      }
      shape[axis] = extent;
    }
    return shape;
  }

  int64_t axis_;
};

}  // namespace

/// Joins tensors along an axis. Types: any of fixed width.
/// Source: ONNX operator Concat, versions 1 to 13.
MadeKernel MakeConcat(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = kMostInputs}));
  if (node.opset < 4) {
    TRY(const int64_t axis, node.attributes.Int("axis", 1));
    return std::make_unique<Concat>(axis);
  }
  TRY(const int64_t axis, node.attributes.RequiredInt("axis"));
  return std::make_unique<Concat>(axis);
}

}  // namespace ephemeralml::engine::kernels
