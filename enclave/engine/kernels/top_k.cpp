#include <algorithm>
#include <numeric>
#include <optional>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

/// The k largest or smallest elements along an axis, best first, and where they lie; of equal ones
/// the first comes first, and a NaN counts as larger than any number. With `sorted` off they come
/// in order all the same. Types: all numeric. Errors: kMalformed `input_invalid` (k is more than
/// there are). Source: ONNX operator TopK, versions 1 to 11.
class TopK final : public Kernel {
 public:
  TopK(std::optional<int64_t> k, int64_t axis, bool largest)
      : k_(k), axis_(axis), largest_(largest) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const size_t axis, NormalizeAxis(axis_, input.shape.size()));
    TRY(const int64_t k, ReadK(context));
    if (k < 0 || k > input.shape[axis]) {
      return InputInvalid("TopK: more elements are asked for than the axis has");
    }
    Shape shape = input.shape;
    shape[axis] = k;
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t inner, CountBetween(input.shape, axis + 1, input.shape.size()));
    return WithType(NumericTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * values, context.Output(0, input.type, shape));
      TRY(Tensor * indices, context.Output(1, ElementType::kInt64, shape));
      const auto count = static_cast<size_t>(input.shape[axis]);
      const Rows rows{count, static_cast<size_t>(k), inner};
      context.threads().ParallelFor(outer * inner, 1, [&](size_t begin, size_t end) {
        std::vector<size_t> order(count);
        for (size_t row = begin; row < end; ++row) {
          Select(Raw<T>(input), rows, row, order, Raw<T>(*values), Raw<int64_t>(*indices));
        }
      });
      return {};
    });
  }

 private:
  struct Rows {
    size_t count;
    size_t k;
    size_t inner;
  };

  Result<int64_t> ReadK(KernelContext& context) const {
    if (k_) return *k_;
    TRY(const TensorView k, RequiredInput(context, 1));
    return OneElement<int64_t>(k);
  }

  template <class T>
  void Select(const T* source, const Rows& rows, size_t row, std::vector<size_t>& order, T* values,
              int64_t* indices) const {
    const size_t outer = row / rows.inner;
    const size_t inner = row % rows.inner;
    const T* from = source + outer * rows.count * rows.inner + inner;
    std::iota(order.begin(), order.end(), size_t{0});
    const auto is_before = [&](size_t a, size_t b) {
      const T x = from[a * rows.inner];
      const T y = from[b * rows.inner];
      const bool x_is_nan = x != x;
      const bool y_is_nan = y != y;
      if (x_is_nan != y_is_nan) return largest_ ? x_is_nan : y_is_nan;
      if (x_is_nan || x == y) return a < b;
      return largest_ ? x > y : x < y;
    };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(rows.k),
                      order.end(), is_before);
    for (size_t i = 0; i < rows.k; ++i) {
      const size_t to = outer * rows.k * rows.inner + i * rows.inner + inner;
      values[to] = from[order[i] * rows.inner];
      indices[to] = static_cast<int64_t>(order[i]);
    }
  }

  std::optional<int64_t> k_;
  int64_t axis_;
  bool largest_;
};

}  // namespace

MadeKernel MakeTopK(const NodeSpec& node) {
  const bool by_input = node.opset >= 10;
  TRY_OK(CheckArity(node, {.least_inputs = by_input ? size_t{2} : size_t{1},
                           .most_inputs = by_input ? size_t{2} : size_t{1},
                           .least_outputs = 2,
                           .most_outputs = 2}));
  std::optional<int64_t> k;
  if (!by_input) {
    TRY(k, node.attributes.RequiredInt("k"));
  }
  TRY(const int64_t axis, node.attributes.Int("axis", -1));
  TRY(const int64_t largest, node.attributes.Int("largest", 1));
  return std::make_unique<TopK>(k, axis, largest != 0);
}

}  // namespace ephemeralml::engine::kernels
