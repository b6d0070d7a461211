// GatherElements and ScatterElements: single elements along one axis.

#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/scatter.h"

namespace ephemeralml::engine::kernels {
namespace {

// For each index, where its element lies in the data.
Result<std::vector<size_t>> DataPlaces(const Shape& data, const Shape& shape, size_t axis,
                                       const std::vector<int64_t>& indices) {
  if (shape.size() != data.size()) return ShapeInvalid("indices and data differ in rank");
  for (size_t i = 0; i < data.size(); ++i) {
    if (i != axis && shape[i] > data[i]) return ShapeInvalid("indices reach outside the data");
  }
  const std::vector<int64_t> strides = Strides(data);
  std::vector<size_t> places;
  places.reserve(indices.size());
  Places walk(shape);
  for (const int64_t index : indices) {
    TRY(const size_t along, CheckedIndex(index, data[axis]));
    size_t place = along * static_cast<size_t>(strides[axis]);
    for (size_t i = 0; i < data.size(); ++i) {
      if (i != axis) place += static_cast<size_t>(walk.at()[i] * strides[i]);
    }
    places.push_back(place);
    walk.Next();
  }
  return places;
}

/// Types: all of fixed width; indices int32 or int64. Source: ONNX operator GatherElements,
/// versions 11 and 13.
class GatherElements final : public Kernel {
 public:
  explicit GatherElements(int64_t axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView data, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> indices, ReadIndexTensor(context, 1));
    TRY(const size_t axis, NormalizeAxis(axis_, data.shape.size()));
    const Shape& shape = context.InputShape(1);
    TRY(const std::vector<size_t> places, DataPlaces(data.shape, shape, axis, indices));
    return WithWidth(data.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, data.type, shape));
      const T* source = Raw<T>(data);
      std::ranges::transform(places, Raw<T>(*output), [&](size_t place) { return source[place]; });
      return {};
    });
  }

 private:
  int64_t axis_;
};

/// Source: ONNX operators ScatterElements, versions 11 to 18, and Scatter, version 9.
class ScatterElements final : public Kernel {
 public:
  ScatterElements(int64_t axis, ScatterReduction reduction) : axis_(axis), reduction_(reduction) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const std::vector<int64_t> indices, ReadIndexTensor(context, 1));
    TRY(const TensorView updates, RequiredInput(context, 2));
    const Shape& data = context.InputShape(0);
    TRY(const size_t axis, NormalizeAxis(axis_, data.size()));
    if (updates.shape != context.InputShape(1)) {
      return ShapeInvalid("updates and indices differ in shape");
    }
    TRY(const std::vector<size_t> places, DataPlaces(data, updates.shape, axis, indices));
    return Scatter(context, updates, places, 1, reduction_);
  }

 private:
  int64_t axis_;
  ScatterReduction reduction_;
};

}  // namespace

MadeKernel MakeGatherElements(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t axis, node.attributes.Int("axis", 0));
  return std::make_unique<GatherElements>(axis);
}

MadeKernel MakeScatterElements(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  TRY(const int64_t axis, node.attributes.Int("axis", 0));
  TRY(const ScatterReduction reduction, ReadScatterReduction(node));
  return std::make_unique<ScatterElements>(axis, reduction);
}

}  // namespace ephemeralml::engine::kernels
