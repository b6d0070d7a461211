#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Puts values back where MaxPool found them, zeros elsewhere. Types: all of fixed width. Errors:
/// kMalformed `input_invalid` (an index outside). Source: ONNX operator MaxUnpool, versions 9
/// and 11.
class MaxUnpool final : public Kernel {
 public:
  explicit MaxUnpool(WindowAttributes attributes) : attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> indices, ReadIndexTensor(context, 1));
    if (context.InputShape(1) != x.shape || x.shape.size() < 3) {
      return ShapeInvalid("MaxUnpool: values and indices don't fit");
    }
    TRY(const Shape made, PooledShape(x.shape));
    Shape shape = made;
    if (context.HasInput(2)) {
      TRY(shape, ReadIntegers(context, 2));
      if (shape.size() != x.shape.size())
        return ShapeInvalid("MaxUnpool: the output's rank differs");
    }
    TRY(const size_t made_count, ElementCount(made));
    return WithWidth(x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, x.type, shape));
      const size_t count = output->byte_count() / sizeof(T);
      for (size_t i = 0; i < indices.size(); ++i) {
        TRY(size_t place, CheckedIndex(indices[i], static_cast<int64_t>(made_count)));
        if (shape != made) place = Moved(place, made, shape);
        if (place >= count) return InputInvalid("MaxUnpool: an index lies outside the output");
        Raw<T>(*output)[place] = Raw<T>(x)[i];
      }
      return {};
    });
  }

 private:
  Result<Shape> PooledShape(const Shape& x) const {
    TRY(const Window w, PlaceWindow(attributes_, x, attributes_.kernel_shape));
    Spatial extents = {1, 1, 1};
    for (size_t axis = kSpatialAxes - w.axes; axis < kSpatialAxes; ++axis) {
      extents[axis] = (w.input[axis] - 1) * w.stride[axis] + w.kernel[axis] - w.pad_begin[axis] -
                      w.pad_end[axis];
    }
    return WindowShape(x[0], x[1], w, extents);
  }

  // Indices count in the shape that the pool had; the output may be larger at its ends.
  static size_t Moved(size_t place, const Shape& from, const Shape& to) {
    const std::vector<int64_t> strides = Strides(to);
    size_t moved = 0;
    for (size_t axis = from.size(); axis-- > 0;) {
      const auto extent = static_cast<size_t>(from[axis]);
      if (place % extent >= static_cast<size_t>(to[axis])) return SIZE_MAX;
      moved += place % extent * static_cast<size_t>(strides[axis]);
      place /= extent;
    }
    return moved;
  }

  WindowAttributes attributes_;
};

}  // namespace

MadeKernel MakeMaxUnpool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(WindowAttributes attributes, WindowAttributes::Read(node.attributes));
  if (attributes.kernel_shape.empty()) {
    return AttributeInvalid("MaxUnpool: attribute 'kernel_shape' is missing");
  }
  return std::make_unique<MaxUnpool>(std::move(attributes));
}

}  // namespace ephemeralml::engine::kernels
