#include <algorithm>
#include <numeric>

#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

struct Ranges {
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  std::vector<int64_t> axes;
  std::vector<int64_t> steps;
};

// What a slice takes of one axis.
struct Taken {
  int64_t first = 0;
  int64_t step = 1;
  int64_t count = 0;
};

Taken Take(int64_t extent, int64_t start, int64_t end, int64_t step) {
  if (extent == 0) return {};
  // Longer steps take the same elements, and might overflow.
  step = std::clamp(step, -extent, extent);
  if (start < 0) start += extent;
  if (end < 0) end += extent;
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, extent);
    end = std::clamp<int64_t>(end, 0, extent);
    return {start, step, end > start ? (end - start - 1) / step + 1 : 0};
  }
  start = std::clamp<int64_t>(start, 0, extent - 1);
  end = std::clamp<int64_t>(end, -1, extent - 1);
  return {start, step, start > end ? (start - end - 1) / -step + 1 : 0};
}

Result<std::vector<Taken>> TakeAll(const Shape& shape, const Ranges& ranges) {
  const size_t count = ranges.starts.size();
  if (ranges.ends.size() != count || ranges.axes.size() != count || ranges.steps.size() != count) {
    return InputInvalid("Slice: starts, ends, axes and steps differ in number");
  }
  TRY(const std::vector<size_t> axes, NormalizeAxes(ranges.axes, shape.size()));
  std::vector<Taken> taken;
  for (const int64_t extent : shape) taken.push_back({0, 1, extent});
  for (size_t i = 0; i < count; ++i) {
    if (ranges.steps[i] == 0) return InputInvalid("Slice: a step is zero");
    taken[axes[i]] = Take(shape[axes[i]], ranges.starts[i], ranges.ends[i], ranges.steps[i]);
  }
  return taken;
}

Done RunSlice(KernelContext& context, const Ranges& ranges) {
  const Shape& given = context.InputShape(0);
  TRY(const std::vector<Taken> taken, TakeAll(given, ranges));
  const std::vector<int64_t> source_strides = Strides(given);
  Shape shape;
  bool takes_all = true;
  int64_t first = 0;
  for (size_t axis = 0; axis < given.size(); ++axis) {
    shape.push_back(taken[axis].count);
    takes_all = takes_all && taken[axis].count == given[axis] && taken[axis].step > 0;
    first += taken[axis].first * source_strides[axis];
  }
  if (takes_all) return context.ForwardInput(0, 0, shape);
  TRY(const TensorView input, context.Input(0));
  TRY(Tensor * output, context.Output(0, input.type, shape));
  if (output->byte_count() == 0) return {};
  const std::vector<int64_t> target_strides = Strides(shape);
  std::vector<BoxAxis> box;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    box.push_back({shape[axis], source_strides[axis] * taken[axis].step, target_strides[axis]});
  }
  const size_t width = wire::ElementBytes(input.type);
  CopyBox(context.threads(), width, box, input.bytes.data() + static_cast<size_t>(first) * width,
          output->MutableBytes().data());
  return {};
}

std::vector<int64_t> FirstAxes(size_t count) {
  std::vector<int64_t> axes(count);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  return axes;
}

// Before version 10: ranges in attributes, no steps.
class SliceByAttributes final : public Kernel {
 public:
  explicit SliceByAttributes(Ranges ranges) : ranges_(std::move(ranges)) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    return RunSlice(context, ranges_);
  }

 private:
  Ranges ranges_;
};

class SliceByInputs final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    Ranges ranges;
    TRY(ranges.starts, ReadIntegers(context, 1));
    TRY(ranges.ends, ReadIntegers(context, 2));
    ranges.axes = FirstAxes(ranges.starts.size());
    ranges.steps.assign(ranges.starts.size(), 1);
    if (context.HasInput(3)) {
      TRY(ranges.axes, ReadIntegers(context, 3));
    }
    if (context.HasInput(4)) {
      TRY(ranges.steps, ReadIntegers(context, 4));
    }
    return RunSlice(context, ranges);
  }
};

}  // namespace

/// A part of a tensor, by start, end and step along axes. Types: any of fixed width.
/// Source: ONNX operator Slice, versions 1 to 13.
MadeKernel MakeSlice(const NodeSpec& node) {
  if (node.opset >= 10) {
    TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 5}));
    return std::make_unique<SliceByInputs>();
  }
  TRY_OK(CheckArity(node, {}));
  Ranges ranges;
  TRY(ranges.starts, node.attributes.Ints("starts", {}));
  TRY(ranges.ends, node.attributes.Ints("ends", {}));
  if (!node.attributes.Has("starts") || !node.attributes.Has("ends")) {
    return AttributeInvalid("Slice: attributes 'starts' and 'ends' are required");
  }
  TRY(ranges.axes, node.attributes.Ints("axes", FirstAxes(ranges.starts.size())));
  ranges.steps.assign(ranges.starts.size(), 1);
  return std::make_unique<SliceByAttributes>(std::move(ranges));
}

}  // namespace ephemeralml::engine::kernels
