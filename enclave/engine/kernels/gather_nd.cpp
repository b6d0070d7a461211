// GatherND and ScatterND: slices that tuples of indices name.

#include <algorithm>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/scatter.h"

namespace ephemeralml::engine::kernels {
namespace {

// The shape of all slices together. The last axis of the indices' shape holds a tuple; its first
// `batch` axes are the data's.
Result<Shape> ShapeOfSlices(KernelContext& context, size_t batch) {
  const Shape& data = context.InputShape(0);
  const Shape& indices = context.InputShape(1);
  if (indices.empty() || data.empty() || indices.back() > static_cast<int64_t>(data.size()) ||
      batch >= indices.size() || batch + static_cast<size_t>(indices.back()) > data.size()) {
    return ShapeInvalid("indices name more axes than the data has");
  }
  const auto batch_axes = static_cast<std::ptrdiff_t>(batch);
  if (!std::equal(indices.begin(), indices.begin() + batch_axes, data.begin())) {
    return ShapeInvalid("indices and data differ in their batch axes");
  }
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + batch_axes + indices.back(), data.end());
  return shape;
}

// Slices of the data, each where one tuple says.
struct Slices {
  std::vector<size_t> places;
  size_t run = 0;  // elements of each
};

// After `ShapeOfSlices`. Tuples may take no memory and be without number: a tensor of the slices'
// shape must exist before they are listed, and slices without elements are not.
Result<Slices> FindSlices(KernelContext& context, size_t batch) {
  const Shape& data = context.InputShape(0);
  const Shape& shape = context.InputShape(1);
  const auto tuple = static_cast<size_t>(shape.back());
  Slices slices;
  TRY(slices.run, CountBetween(data, batch + tuple, data.size()));
  TRY(const size_t tuples, CountBetween(shape, 0, shape.size() - 1));
  if (slices.run == 0 || tuples == 0) return slices;
  TRY(const std::vector<int64_t> indices, ReadIndexTensor(context, 1));
  TRY(const size_t batches, CountBetween(shape, 0, batch));
  const std::vector<int64_t> strides = Strides(data);
  TRY(const size_t batch_elements, CountBetween(data, batch, data.size()));
  slices.places.reserve(tuples);
  for (size_t i = 0; i < tuples; ++i) {
    size_t place = i / (tuples / batches) * batch_elements;
    for (size_t k = 0; k < tuple; ++k) {
      TRY(const size_t along, CheckedIndex(indices[i * tuple + k], data[batch + k]));
      place += along * static_cast<size_t>(strides[batch + k]);
    }
    slices.places.push_back(place);
  }
  return slices;
}

/// Types: all of fixed width. Source: ONNX operator GatherND, versions 11 to 13.
class GatherNd final : public Kernel {
 public:
  explicit GatherNd(size_t batch) : batch_(batch) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView data, RequiredInput(context, 0));
    TRY_OK(RequireInput(context, 1));
    TRY(const Shape shape, ShapeOfSlices(context, batch_));
    TRY(Tensor * output, context.Output(0, data.type, shape));
    TRY(const Slices slices, FindSlices(context, batch_));
    return WithWidth(data.type, [&]<class T>(std::type_identity<T>) -> Done {
      if (slices.places.empty()) return {};
      T* target = Raw<T>(*output);
      for (const size_t place : slices.places) {
        target = std::copy_n(Raw<T>(data) + place, slices.run, target);
      }
      return {};
    });
  }

 private:
  size_t batch_;
};

/// Source: ONNX operator ScatterND, versions 11 to 18.
class ScatterNd final : public Kernel {
 public:
  explicit ScatterNd(ScatterReduction reduction) : reduction_(reduction) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const TensorView updates, RequiredInput(context, 2));
    TRY_OK(RequireInput(context, 1));
    TRY(const Shape shape, ShapeOfSlices(context, 0));
    if (updates.shape != shape) {
      return ShapeInvalid("updates have another shape than the slices that indices name");
    }
    TRY(const Slices slices, FindSlices(context, 0));
    return Scatter(context, updates, slices.places, slices.run, reduction_);
  }

 private:
  ScatterReduction reduction_;
};

}  // namespace

MadeKernel MakeGatherND(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t batch, node.attributes.Int("batch_dims", 0));
  if (batch < 0) return AttributeInvalid("GatherND: attribute 'batch_dims' is negative");
  return std::make_unique<GatherNd>(static_cast<size_t>(batch));
}

MadeKernel MakeScatterND(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  TRY(const ScatterReduction reduction, ReadScatterReduction(node));
  return std::make_unique<ScatterNd>(reduction);
}

}  // namespace ephemeralml::engine::kernels
