#include <algorithm>
#include <numeric>
#include <optional>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

// A tensor as `count` slices along one axis, which are compared element by element.
template <class T>
struct SliceView {
  const T* values;
  size_t outer = 1;
  size_t count = 0;
  size_t inner = 1;

  const T& At(size_t slice, size_t i) const {
    return values[(i / inner * count + slice) * inner + i % inner];
  }
  size_t size() const { return outer * inner; }

  // A NaN comes after every number and is unlike any other.
  int Compare(size_t a, size_t b) const {
    for (size_t i = 0; i < size(); ++i) {
      const T& x = At(a, i);
      const T& y = At(b, i);
      if (x < y) return -1;
      if (y < x) return 1;
      if (x != x || y != y) {
        if ((x != x) != (y != y)) return x != x ? 1 : -1;
        return a < b ? -1 : (a > b ? 1 : 0);
      }
    }
    return 0;
  }
};

// The different slices: where each first comes, and for every slice which of them it is.
struct Groups {
  std::vector<size_t> first;
  std::vector<int64_t> inverse;
  std::vector<int64_t> counts;
};

template <class T>
Groups Group(const SliceView<T>& slices, bool sorted) {
  std::vector<size_t> order(slices.count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return slices.Compare(a, b) < 0; });
  Groups groups;
  groups.inverse.resize(slices.count);
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || slices.Compare(order[i - 1], order[i]) != 0) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    groups.inverse[order[i]] = static_cast<int64_t>(groups.first.size() - 1);
    ++groups.counts.back();
  }
  if (sorted) return groups;
  std::vector<size_t> by_place(groups.first.size());
  std::iota(by_place.begin(), by_place.end(), size_t{0});
  std::ranges::sort(by_place, {}, [&](size_t group) { return groups.first[group]; });
  std::vector<int64_t> renumbered(by_place.size());
  Groups placed;
  for (size_t i = 0; i < by_place.size(); ++i) {
    placed.first.push_back(groups.first[by_place[i]]);
    placed.counts.push_back(groups.counts[by_place[i]]);
    renumbered[by_place[i]] = static_cast<int64_t>(i);
  }
  for (const int64_t group : groups.inverse) {
    placed.inverse.push_back(renumbered[static_cast<size_t>(group)]);
  }
  return placed;
}

/// The different elements, or slices along an axis, with where each first comes, which of them
/// every one is, and how often each is there. Types: all numeric and bool. Source: ONNX operator
/// Unique, version 11.
class Unique final : public Kernel {
 public:
  Unique(std::optional<int64_t> axis, bool sorted) : axis_(axis), sorted_(sorted) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.type == ElementType::kBool) return Apply<uint8_t>(context, input);
    return WithType(NumericTypes{}, input.type,
                    [&]<class T>(std::type_identity<T>) { return Apply<T>(context, input); });
  }

 private:
  template <class T>
  Done Apply(KernelContext& context, const TensorView& input) const {
    SliceView<T> slices{Raw<T>(input), 1, input.bytes.size() / sizeof(T), 1};
    Shape shape = {0};
    size_t axis = 0;
    if (axis_) {
      shape = input.shape;
      TRY(axis, NormalizeAxis(*axis_, shape.size()));
      TRY(slices.outer, CountBetween(shape, 0, axis));
      TRY(slices.inner, CountBetween(shape, axis + 1, shape.size()));
      slices.count = static_cast<size_t>(shape[axis]);
    }
    // Refuses what memory can't hold: an empty input's axis may be of any length.
    TRY_OK(context.Scratch(slices.count * sizeof(int64_t)));
    const Groups groups = Group(slices, sorted_);
    const size_t kept = groups.first.size();
    shape[axis] = static_cast<int64_t>(kept);
    TRY(Tensor * output, context.Output(0, input.type, shape));
    T* target = Raw<T>(*output);
    for (size_t group = 0; group < kept; ++group) {
      for (size_t i = 0; i < slices.size(); ++i) {
        target[(i / slices.inner * kept + group) * slices.inner + i % slices.inner] =
            slices.At(groups.first[group], i);
      }
    }
    const std::vector<int64_t> first(groups.first.begin(), groups.first.end());
    TRY_OK(Give(context, 1, first));
    TRY_OK(Give(context, 2, groups.inverse));
    return Give(context, 3, groups.counts);
  }

  static Done Give(KernelContext& context, size_t index, const std::vector<int64_t>& values) {
    if (!context.WantsOutput(index)) return {};
    TRY(Tensor * output,
        context.Output(index, ElementType::kInt64, {static_cast<int64_t>(values.size())}));
    std::ranges::copy(values, Raw<int64_t>(*output));
    return {};
  }

  std::optional<int64_t> axis_;
  bool sorted_;
};

}  // namespace

MadeKernel MakeUnique(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_outputs = 4}));
  std::optional<int64_t> axis;
  if (node.attributes.Has("axis")) {
    TRY(axis, node.attributes.RequiredInt("axis"));
  }
  TRY(const int64_t sorted, node.attributes.Int("sorted", 1));
  return std::make_unique<Unique>(axis, sorted != 0);
}

}  // namespace ephemeralml::engine::kernels
