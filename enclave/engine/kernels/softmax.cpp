#include <array>
#include <cmath>
#include <limits>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/vector_math.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kColumns = 64;  // that are worked on side by side where the axis isn't the last

template <class T>
EPHEMERAL_MULTIVERSION void SoftmaxRow(const T* x, T* y, size_t count, bool logarithmic) {
  const T largest = FoldLanes(
      x, count, -std::numeric_limits<T>::infinity(), [](T v) { return v; },
      [](T a, T b) { return a > b ? a : b; });
  for (size_t i = 0; i < count; ++i) y[i] = Exp(x[i] - largest);
  const T sum = SumLanes(y, count, [](T v) { return v; });
  if (logarithmic) {
    const T log_sum = std::log(sum);
    for (size_t i = 0; i < count; ++i) y[i] = x[i] - largest - log_sum;
  } else {
    const T factor = T{1} / sum;
    for (size_t i = 0; i < count; ++i) y[i] *= factor;
  }
}

// `columns` (kColumns at most) neighbouring columns of `count` elements, `stride` apart.
template <class T>
EPHEMERAL_MULTIVERSION void SoftmaxColumns(const T* x, T* y, size_t count, size_t stride,
                                           size_t columns, bool logarithmic) {
  std::array<T, kColumns> largest;
  std::array<T, kColumns> sum = {};
  largest.fill(-std::numeric_limits<T>::infinity());
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < columns; ++c) {
      largest[c] = x[i * stride + c] > largest[c] ? x[i * stride + c] : largest[c];
    }
  }
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < columns; ++c) {
      y[i * stride + c] = Exp(x[i * stride + c] - largest[c]);
      sum[c] += y[i * stride + c];
    }
  }
  for (size_t c = 0; c < columns; ++c) sum[c] = logarithmic ? std::log(sum[c]) : T{1} / sum[c];
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < columns; ++c) {
      y[i * stride + c] =
          logarithmic ? x[i * stride + c] - largest[c] - sum[c] : y[i * stride + c] * sum[c];
    }
  }
}

template <class T>
void RunSoftmax(Threads& threads, const T* x, T* y, size_t outer, size_t count, size_t inner,
                bool logarithmic) {
  if (inner == 1) {
    threads.ParallelFor(outer, RowGrain(4 * count), [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) {
        SoftmaxRow(x + row * count, y + row * count, count, logarithmic);
      }
    });
    return;
  }
  const size_t blocks = (inner + kColumns - 1) / kColumns;
  threads.ParallelFor(outer * blocks, RowGrain(4 * count * kColumns),
                      [&](size_t begin, size_t end) {
                        for (size_t item = begin; item < end; ++item) {
                          const size_t first = item % blocks * kColumns;
                          const size_t offset = item / blocks * count * inner + first;
                          SoftmaxColumns(x + offset, y + offset, count, inner,
                                         std::min(kColumns, inner - first), logarithmic);
                        }
                      });
}

class Softmax final : public Kernel {
 public:
  /// `flattens`: as before version 13, over the axis and all behind it together.
  Softmax(int64_t axis, bool flattens, bool logarithmic)
      : axis_(axis), flattens_(flattens), logarithmic_(logarithmic) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    const size_t rank = input.shape.size();
    size_t axis = rank;  // before version 13 it may be one past the last
    if (!flattens_ || axis_ != static_cast<int64_t>(rank)) {
      TRY(axis, NormalizeAxis(axis_, rank));
    }
    const size_t end = flattens_ ? rank : axis + 1;
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t count, CountBetween(input.shape, axis, end));
    TRY(const size_t inner, CountBetween(input.shape, end, rank));
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.OutputToOverwrite(0, input.type, input.shape));
      if (input.bytes.empty()) return {};
      RunSoftmax(context.threads(), Raw<T>(input), Raw<T>(*output), outer, count, inner,
                 logarithmic_);
      return {};
    });
  }

 private:
  int64_t axis_;
  bool flattens_;
  bool logarithmic_;
};

/// 1 where the first of the largest elements lies, 0 elsewhere. Types: float and double.
class Hardmax final : public Kernel {
 public:
  Hardmax(int64_t axis, bool flattens) : axis_(axis), flattens_(flattens) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    const size_t rank = input.shape.size();
    TRY(const size_t axis, NormalizeAxis(axis_, rank));
    const size_t end = flattens_ ? rank : axis + 1;
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t count, CountBetween(input.shape, axis, end));
    TRY(const size_t inner, CountBetween(input.shape, end, rank));
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, input.shape));
      for (size_t row = 0; row < outer * inner && count > 0; ++row) {
        const size_t first = row / inner * count * inner + row % inner;
        const T* x = Raw<T>(input) + first;
        size_t best = 0;
        for (size_t i = 1; i < count; ++i) {
          if (x[i * inner] > x[best * inner]) best = i;
        }
        Raw<T>(*output)[first + best * inner] = T{1};
      }
      return {};
    });
  }

 private:
  int64_t axis_;
  bool flattens_;
};

MadeKernel MakeSoftmaxKernel(const NodeSpec& node, bool logarithmic) {
  TRY_OK(CheckArity(node, {}));
  const bool flattens = node.opset < 13;
  TRY(const int64_t axis, node.attributes.Int("axis", flattens ? 1 : -1));
  return std::make_unique<Softmax>(axis, flattens, logarithmic);
}

}  // namespace

/// Types: float and double. Source: ONNX operator Softmax, versions 1 to 13.
MadeKernel MakeSoftmax(const NodeSpec& node) { return MakeSoftmaxKernel(node, false); }

/// Source: ONNX operator Hardmax, versions 1 to 13.
MadeKernel MakeHardmax(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  const bool flattens = node.opset < 13;
  TRY(const int64_t axis, node.attributes.Int("axis", flattens ? 1 : -1));
  return std::make_unique<Hardmax>(axis, flattens);
}

/// Types: float and double. Source: ONNX operator LogSoftmax, versions 1 to 13.
MadeKernel MakeLogSoftmax(const NodeSpec& node) { return MakeSoftmaxKernel(node, true); }

}  // namespace ephemeralml::engine::kernels
