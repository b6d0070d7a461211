// The reductions: sums of several kinds, products, extrema.

#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/reductions.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kColumns = 128;     // worked on side by side where the last axis is kept
constexpr size_t kPartialRows = 64;  // added up on their own, so that long sums round less

template <class Reduction, class T>
EPHEMERAL_MULTIVERSION T ReduceRow(const T* values, size_t count) {
  using A = typename Reduction::template Accumulator<T>;
  const A total = FoldLanes(
      values, count, Reduction::template Identity<T>(), [](T v) { return Reduction::Map(v); },
      [](A a, A b) { return Reduction::Combine(a, b); });
  return Reduction::template Finish<T>(total, count);
}

// `columns` (kColumns at most) neighbouring columns of `count` elements, `stride` apart.
template <class Reduction, class T>
EPHEMERAL_MULTIVERSION void ReduceColumns(const T* values, size_t count, size_t stride,
                                          size_t columns, T* out) {
  using A = typename Reduction::template Accumulator<T>;
  std::array<A, kColumns> total;
  total.fill(Reduction::template Identity<T>());
  for (size_t first = 0; first < count; first += kPartialRows) {
    std::array<A, kColumns> partial;
    partial.fill(Reduction::template Identity<T>());
    for (size_t i = first; i < std::min(first + kPartialRows, count); ++i) {
      const T* row = values + i * stride;
      for (size_t c = 0; c < columns; ++c) {
        partial[c] = Reduction::Combine(partial[c], Reduction::Map(row[c]));
      }
    }
    for (size_t c = 0; c < columns; ++c) total[c] = Reduction::Combine(total[c], partial[c]);
  }
  for (size_t c = 0; c < columns; ++c) out[c] = Reduction::template Finish<T>(total[c], count);
}

// A tensor as [outer, reduced, inner], the middle axis to go.
struct Layout {
  size_t outer = 1;
  size_t reduced = 1;
  size_t inner = 1;
};

template <class Reduction, class T>
void ReduceAs(Threads& threads, const Layout& layout, const T* source, T* target) {
  const size_t count = layout.reduced;
  if (layout.inner == 1) {
    threads.ParallelFor(layout.outer, RowGrain(count), [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) {
        target[row] = ReduceRow<Reduction>(source + row * count, count);
      }
    });
    return;
  }
  const size_t blocks = (layout.inner + kColumns - 1) / kColumns;
  threads.ParallelFor(
      layout.outer * blocks, RowGrain(count * kColumns), [&](size_t begin, size_t end) {
        for (size_t item = begin; item < end; ++item) {
          const size_t first = item % blocks * kColumns;
          const size_t outer = item / blocks;
          ReduceColumns<Reduction>(source + outer * count * layout.inner + first, count,
                                   layout.inner, std::min(kColumns, layout.inner - first),
                                   target + outer * layout.inner + first);
        }
      });
}

// The layout if the reduced axes, apart from those of extent 1, lie side by side.
std::optional<Layout> FindLayout(const Shape& shape, const std::vector<bool>& reduced) {
  Layout layout;
  bool inside = false;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const auto extent = static_cast<size_t>(shape[axis]);
    if (extent == 1) continue;
    if (reduced[axis] && layout.inner > 1) return std::nullopt;
    inside = inside || reduced[axis];
    (reduced[axis] ? layout.reduced : inside ? layout.inner : layout.outer) *= extent;
  }
  return layout;
}

// Copies the tensor so that the reduced axes come last.
Result<ArenaBlock> MoveReducedBehind(KernelContext& context, const TensorView& input,
                                     const std::vector<bool>& reduced) {
  TRY(ArenaBlock moved, context.Scratch(input.bytes.size()));
  const std::vector<int64_t> source_strides = Strides(input.shape);
  std::vector<BoxAxis> box;
  for (const bool pass : {false, true}) {
    for (size_t axis = 0; axis < input.shape.size(); ++axis) {
      if (reduced[axis] == pass) box.push_back({input.shape[axis], source_strides[axis], 0});
    }
  }
  int64_t stride = 1;
  for (size_t i = box.size(); i-- > 0;) {
    box[i].target_stride = stride;
    stride *= box[i].extent;
  }
  CopyBox(context.threads(), wire::ElementBytes(input.type), box, input.bytes.data(),
          moved.bytes().data());
  return moved;
}

/// Where a node says which axes go.
struct AxesForm {
  std::optional<std::vector<int64_t>> attribute;
  bool nothing_if_empty = false;
};

template <class Reduction, bool kIsMean>
class Reduce final : public Kernel {
 public:
  Reduce(AxesForm axes, bool keeps, bool takes_booleans)
      : axes_(std::move(axes)), keeps_(keeps), takes_booleans_(takes_booleans) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& given = context.InputShape(0);
    TRY(const std::vector<bool> reduced, ReducedAxes(context));
    Shape shape;
    size_t count = 1;
    for (size_t axis = 0; axis < given.size(); ++axis) {
      if (!reduced[axis]) shape.push_back(given[axis]);
      if (reduced[axis] && keeps_) shape.push_back(1);
      if (reduced[axis]) count *= static_cast<size_t>(given[axis]);
    }
    if (count == 1 && Reduction::kOneIsItself) return context.ForwardInput(0, 0, shape);
    TRY(const TensorView input, context.Input(0));
    if (input.type == ElementType::kBool && takes_booleans_) {
      return Apply<uint8_t>(context, input, reduced, shape, count);
    }
    return WithType(typename Reduction::Types{}, input.type, [&]<class T>(std::type_identity<T>) {
      return Apply<T>(context, input, reduced, shape, count);
    });
  }

 private:
  Result<std::vector<bool>> ReducedAxes(KernelContext& context) const {
    const size_t rank = context.InputShape(0).size();
    std::vector<int64_t> named;
    if (context.HasInput(1)) {
      TRY(named, ReadIntegers(context, 1));
    } else if (axes_.attribute) {
      named = *axes_.attribute;
    }
    if (named.empty()) return std::vector<bool>(rank, !axes_.nothing_if_empty);
    TRY(const std::vector<size_t> axes, NormalizeAxes(named, rank));
    std::vector<bool> reduced(rank, false);
    for (const size_t axis : axes) reduced[axis] = true;
    return reduced;
  }

  template <class T>
  static Done Apply(KernelContext& context, const TensorView& input,
                    const std::vector<bool>& reduced, const Shape& shape, size_t count) {
    TRY(Tensor * output, context.Output(0, input.type, shape));
    T* target = Raw<T>(*output);
    const size_t results = output->byte_count() / sizeof(T);
    if (count == 0) return FillEmpty<T>(target, results);
    const std::optional<Layout> layout = FindLayout(input.shape, reduced);
    if (layout) {
      ReduceAs<Reduction>(context.threads(), *layout, Raw<T>(input), target);
    } else {
      TRY(const ArenaBlock moved, MoveReducedBehind(context, input, reduced));
      ReduceAs<Reduction>(context.threads(), {results, count, 1},
                          reinterpret_cast<const T*>(moved.bytes().data()), target);
    }
    if (input.type == ElementType::kBool) {
      std::transform(target, target + results, target, [](T v) { return static_cast<T>(v != 0); });
    }
    return {};
  }

  // The reduction of no elements at all.
  template <class T>
  static Done FillEmpty(T* target, size_t results) {
    if constexpr (!kIsMean) {
      std::fill_n(target, results,
                  Reduction::template Finish<T>(Reduction::template Identity<T>(), 0));
    } else if constexpr (std::is_floating_point_v<T>) {
      std::fill_n(target, results, std::numeric_limits<T>::quiet_NaN());
    } else if (results > 0) {
      return ShapeInvalid("the mean of no integers is asked for");
    }
    return {};
  }

  AxesForm axes_;
  bool keeps_;
  bool takes_booleans_;
};

// Axes are an attribute before version `input_since`, and an input from there.
template <class Reduction, bool kIsMean = false>
MadeKernel MakeReduce(const NodeSpec& node, int64_t input_since) {
  const bool by_input = node.opset >= input_since;
  TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = by_input ? size_t{2} : size_t{1}}));
  AxesForm axes;
  if (by_input) {
    TRY(const int64_t noop, node.attributes.Int("noop_with_empty_axes", 0));
    axes.nothing_if_empty = noop != 0;
  } else {
    TRY(axes.attribute, node.attributes.Ints("axes", {}));
  }
  TRY(const int64_t keeps, node.attributes.Int("keepdims", 1));
  const bool takes_booleans = Reduction::kTakesBooleans && node.opset >= 20;
  return std::make_unique<Reduce<Reduction, kIsMean>>(std::move(axes), keeps != 0, takes_booleans);
}

}  // namespace

/// 0 for no elements; integers wrap. Source: ONNX operator ReduceSum, versions 1 to 13.
MadeKernel MakeReduceSum(const NodeSpec& node) { return MakeReduce<SumOf>(node, 13); }

/// 1 for no elements; integers wrap. Source: ONNX operator ReduceProd, versions 1 to 18.
MadeKernel MakeReduceProd(const NodeSpec& node) { return MakeReduce<ProductOf>(node, 18); }

/// Source: ONNX operator ReduceL1, versions 1 to 18.
MadeKernel MakeReduceL1(const NodeSpec& node) { return MakeReduce<SumOfMagnitudes>(node, 18); }

/// Source: ONNX operator ReduceL2, versions 1 to 18.
MadeKernel MakeReduceL2(const NodeSpec& node) { return MakeReduce<RootOfSquares>(node, 18); }

/// Source: ONNX operator ReduceSumSquare, versions 1 to 18.
MadeKernel MakeReduceSumSquare(const NodeSpec& node) { return MakeReduce<SumOfSquares>(node, 18); }

/// Source: ONNX operator ReduceLogSum, versions 1 to 18.
MadeKernel MakeReduceLogSum(const NodeSpec& node) { return MakeReduce<LogarithmOfSum>(node, 18); }

/// The logarithm of the sum of powers of e, without overflow. Source: ONNX operator
/// ReduceLogSumExp, versions 1 to 18.
MadeKernel MakeReduceLogSumExp(const NodeSpec& node) {
  return MakeReduce<LogarithmOfPowers>(node, 18);
}

/// NaN for no elements; integers are truncated. Source: ONNX operator ReduceMean, versions 1 to 18.
MadeKernel MakeReduceMean(const NodeSpec& node) { return MakeReduce<MeanOf, true>(node, 18); }

/// The lowest value for no elements; NaN if any is. Source: ONNX operator ReduceMax, versions 1
/// to 20.
MadeKernel MakeReduceMax(const NodeSpec& node) { return MakeReduce<MaxOf>(node, 18); }

/// The highest value for no elements; NaN if any is. Source: ONNX operator ReduceMin, versions 1
/// to 20.
MadeKernel MakeReduceMin(const NodeSpec& node) { return MakeReduce<MinOf>(node, 18); }

}  // namespace ephemeralml::engine::kernels
