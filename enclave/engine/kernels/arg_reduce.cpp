// ArgMax and ArgMin: where along an axis the extremum lies.

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Of equal extrema the first, or the last if `select_last_index` is set; a NaN is more extreme
/// than any number. Types: all numeric. Source: ONNX operators ArgMax and ArgMin, versions 1 to 13.
class ArgReduce final : public Kernel {
 public:
  ArgReduce(int64_t axis, bool keeps, bool last, bool largest)
      : axis_(axis), keeps_(keeps), last_(last), largest_(largest) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const size_t axis, NormalizeAxis(axis_, input.shape.size()));
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t inner, CountBetween(input.shape, axis + 1, input.shape.size()));
    const auto count = static_cast<size_t>(input.shape[axis]);
    Shape shape = input.shape;
    shape[axis] = 1;
    if (!keeps_) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    if (count == 0 && outer * inner > 0) {
      return ShapeInvalid("the extremum of no elements is asked for");
    }
    return WithType(NumericTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, ElementType::kInt64, shape));
      const T* source = Raw<T>(input);
      int64_t* target = Raw<int64_t>(*output);
      context.threads().ParallelFor(outer * inner, RowGrain(count), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          target[i] = Find(source + i / inner * count * inner + i % inner, count, inner);
        }
      });
      return {};
    });
  }

 private:
  template <class T>
  bool IsBetter(T candidate, T best) const {
    if (best != best) return last_ && candidate != candidate;
    if (candidate != candidate) return true;
    if (candidate == best) return last_;
    return largest_ ? candidate > best : candidate < best;
  }

  template <class T>
  int64_t Find(const T* values, size_t count, size_t stride) const {
    size_t best = 0;
    for (size_t i = 1; i < count; ++i) {
      if (IsBetter(values[i * stride], values[best * stride])) best = i;
    }
    return static_cast<int64_t>(best);
  }

  int64_t axis_;
  bool keeps_;
  bool last_;
  bool largest_;
};

MadeKernel MakeArgReduce(const NodeSpec& node, bool largest) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t axis, node.attributes.Int("axis", 0));
  TRY(const int64_t keeps, node.attributes.Int("keepdims", 1));
  TRY(const int64_t last, node.attributes.Int("select_last_index", 0));
  return std::make_unique<ArgReduce>(axis, keeps != 0, last != 0, largest);
}

}  // namespace

MadeKernel MakeArgMax(const NodeSpec& node) { return MakeArgReduce(node, true); }

MadeKernel MakeArgMin(const NodeSpec& node) { return MakeArgReduce(node, false); }

}  // namespace ephemeralml::engine::kernels
