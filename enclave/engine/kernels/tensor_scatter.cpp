#include <algorithm>

#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

/// A cache with an update's rows in it, from a place on that each of the batch has of its own.
/// Shapes: cache and update equal but along `axis`, where the update is no longer; places [B]; the
/// output as the cache. Types: all of fixed width. Source: ONNX operator TensorScatter, version 24.
class TensorScatter final : public Kernel {
 public:
  TensorScatter(int64_t axis, bool circular) : axis_(axis), circular_(circular) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView cache, RequiredInput(context, 0));
    TRY(const TensorView update, RequiredInput(context, 1));
    if (update.type != cache.type) return InputInvalid("TensorScatter: the types differ");
    if (wire::ElementBytes(cache.type) == 0) return TypeUnsupported(cache.type);
    TRY(const size_t axis, NormalizeAxis(axis_, cache.shape.size()));
    Shape fitting = update.shape;
    if (axis == 0 || fitting.size() != cache.shape.size() || fitting[axis] > cache.shape[axis]) {
      return ShapeInvalid("TensorScatter: the update doesn't fit the cache");
    }
    fitting[axis] = cache.shape[axis];
    if (fitting != cache.shape) return ShapeInvalid("TensorScatter: the update doesn't fit");
    TRY(Tensor * output, context.Output(0, cache.type, cache.shape));
    CopyBytes(cache.bytes, output->MutableBytes());
    // Of an empty tensor the other sizes may be absurd.
    if (update.bytes.empty()) return {};
    TRY(const std::vector<int64_t> places, ReadPlaces(context, cache, update.shape[axis], axis));
    TRY(const size_t outer, CountBetween(cache.shape, 0, axis));
    const auto extent = static_cast<size_t>(cache.shape[axis]);
    const auto rows = static_cast<size_t>(update.shape[axis]);
    const size_t row_bytes = update.bytes.size() / (outer * rows);
    const size_t each = outer / places.size();
    for (size_t i = 0; i < outer; ++i) {
      for (size_t row = 0; row < rows; ++row) {
        const size_t place = (static_cast<size_t>(places[i / each]) + row) % extent;
        CopyBytes(update.bytes.subspan((i * rows + row) * row_bytes, row_bytes),
                  output->MutableBytes().subspan((i * extent + place) * row_bytes));
      }
    }
    return {};
  }

 private:
  Result<std::vector<int64_t>> ReadPlaces(KernelContext& context, const TensorView& cache,
                                          int64_t rows, size_t axis) const {
    std::vector<int64_t> places(static_cast<size_t>(cache.shape[0]));
    if (!context.HasInput(2)) return places;
    TRY(places, ReadIndexTensor(context, 2));
    if (static_cast<int64_t>(places.size()) != cache.shape[0]) {
      return ShapeInvalid("TensorScatter: not one place for each of the batch");
    }
    const int64_t last = circular_ ? cache.shape[axis] - 1 : cache.shape[axis] - rows;
    const auto is_outside = [&](int64_t place) { return place < 0 || place > last; };
    if (std::ranges::any_of(places, is_outside)) {
      return InputInvalid("TensorScatter: a place lies outside the cache");
    }
    return places;
  }

  int64_t axis_;
  bool circular_;
};

}  // namespace

MadeKernel MakeTensorScatter(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const int64_t axis, node.attributes.Int("axis", -2));
  TRY(const std::string mode, node.attributes.String("mode", "linear"));
  if (mode != "linear" && mode != "circular") {
    return AttributeInvalid("TensorScatter: mode is neither linear nor circular");
  }
  return std::make_unique<TensorScatter>(axis, mode == "circular");
}

}  // namespace ephemeralml::engine::kernels
