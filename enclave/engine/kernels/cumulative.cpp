// CumSum and CumProd.

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/lanes.h"

namespace ephemeralml::engine::kernels {
namespace {

enum class Accumulation { kSum, kProduct };

/// Sums or products of all elements up to each along an axis, itself included unless `exclusive`;
/// from the end if `reverse`. Integers wrap. Types: all numeric. Source: ONNX operators CumSum,
/// versions 11 and 14, and CumProd, version 26.
class Cumulative final : public Kernel {
 public:
  Cumulative(Accumulation accumulation, bool exclusive, bool reverse)
      : accumulation_(accumulation), exclusive_(exclusive), reverse_(reverse) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> named, ReadIndexTensor(context, 1));
    if (named.size() != 1) return InputInvalid("the axis isn't one number");
    TRY(const size_t axis, NormalizeAxis(named[0], input.shape.size()));
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t inner, CountBetween(input.shape, axis + 1, input.shape.size()));
    const auto count = static_cast<size_t>(input.shape[axis]);
    return WithType(NumericTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, input.shape));
      if (output->byte_count() == 0) return {};
      const T* source = Raw<T>(input);
      T* target = Raw<T>(*output);
      context.threads().ParallelFor(outer * inner, RowGrain(count), [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const size_t first = row / inner * count * inner + row % inner;
          Accumulate(source + first, target + first, count, inner);
        }
      });
      return {};
    });
  }

 private:
  template <class T>
  void Accumulate(const T* source, T* target, size_t count, size_t stride) const {
    // In an unsigned type at least as wide as int: C++ leaves the overflow of others undefined.
    using Wide = std::conditional_t<std::is_floating_point_v<T>, T,
                                    std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>;
    const bool adds = accumulation_ == Accumulation::kSum;
    Wide total = adds ? 0 : 1;
    for (size_t i = 0; i < count; ++i) {
      const size_t at = (reverse_ ? count - 1 - i : i) * stride;
      const Wide before = total;
      const auto element = static_cast<Wide>(+source[at]);  // promoted first, sign and all
      total = static_cast<Wide>(adds ? total + element : total * element);
      target[at] = static_cast<T>(exclusive_ ? before : total);
    }
  }

  Accumulation accumulation_;
  bool exclusive_;
  bool reverse_;
};

MadeKernel MakeCumulative(const NodeSpec& node, Accumulation accumulation) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t exclusive, node.attributes.Int("exclusive", 0));
  TRY(const int64_t reverse, node.attributes.Int("reverse", 0));
  return std::make_unique<Cumulative>(accumulation, exclusive != 0, reverse != 0);
}

}  // namespace

MadeKernel MakeCumSum(const NodeSpec& node) { return MakeCumulative(node, Accumulation::kSum); }

MadeKernel MakeCumProd(const NodeSpec& node) {
  return MakeCumulative(node, Accumulation::kProduct);
}

}  // namespace ephemeralml::engine::kernels
