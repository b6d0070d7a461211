#include <algorithm>
#include <limits>

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

// The taps of a window that lie on the input, for one output pixel.
struct Taps {
  int64_t top = 0;
  int64_t bottom = 0;
  int64_t left = 0;
  int64_t right = 0;
};

Taps TapsAt(const Window& w, int64_t row, int64_t column) {
  const Window::Range rows = w.TapsInside(1, row);
  const Window::Range columns = w.TapsInside(2, column);
  return {rows.begin, rows.end, columns.begin, columns.end};
}

// Sixteen channels of one output pixel.
template <class Combine>
[[gnu::always_inline]] inline void FoldPixel(const Window& w, const float* plane, int64_t row,
                                             int64_t column, const Taps& taps, float identity,
                                             Combine combine, float* y) {
  float sums[kBlockLanes];
  for (float& sum : sums) sum = identity;
  for (int64_t i = taps.top; i < taps.bottom; ++i) {
    const int64_t in_y = row * w.stride[1] + w.TapAt(1, i);
    for (int64_t j = taps.left; j < taps.right; ++j) {
      const int64_t in_x = column * w.stride[2] + w.TapAt(2, j);
      const float* x = plane + (in_y * w.input[2] + in_x) * kBlockLanes;
      for (int64_t lane = 0; lane < kBlockLanes; ++lane) sums[lane] = combine(sums[lane], x[lane]);
    }
  }
  for (int64_t lane = 0; lane < kBlockLanes; ++lane) y[lane] = sums[lane];
}

EPHEMERAL_MULTIVERSION void MaximumRow(const Window& w, const float* plane, int64_t row, float* y) {
  for (int64_t column = 0; column < w.output[2]; ++column, y += kBlockLanes) {
    FoldPixel(
        w, plane, row, column, TapsAt(w, row, column), std::numeric_limits<float>::lowest(),
        [](float a, float b) { return b > a ? b : a; }, y);
  }
}

// How many taps count for one output's mean along an axis. Padding counts if asked for, but never
// what lies beyond it, where windows reach in ceil mode.
int64_t Counted(const Window& w, size_t axis, int64_t output, bool include_pad) {
  if (!include_pad) {
    const Window::Range range = w.TapsInside(axis, output);
    return range.end - range.begin;
  }
  const int64_t at = output * w.stride[axis];
  const int64_t extent = w.pad_begin[axis] + w.input[axis] + w.pad_end[axis];
  return std::clamp<int64_t>((extent - at + w.dilation[axis] - 1) / w.dilation[axis], 1,
                             w.kernel[axis]);
}

EPHEMERAL_MULTIVERSION void MeanRow(const Window& w, const float* plane, int64_t row,
                                    bool include_pad, float* y) {
  const int64_t rows = Counted(w, 1, row, include_pad);
  for (int64_t column = 0; column < w.output[2]; ++column, y += kBlockLanes) {
    FoldPixel(
        w, plane, row, column, TapsAt(w, row, column), 0.0f, [](float a, float b) { return a + b; },
        y);
    const auto count = static_cast<float>(rows * Counted(w, 2, column, include_pad));
    for (int64_t lane = 0; lane < kBlockLanes; ++lane) y[lane] /= count;
  }
}

EPHEMERAL_MULTIVERSION void MeanPlane(const float* plane, int64_t pixels, float* y) {
  // Several sums side by side: more exact than one, and faster.
  constexpr int64_t kSums = 4;
  float sums[kSums][kBlockLanes] = {};
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    float* sum = sums[pixel % kSums];
    for (int64_t lane = 0; lane < kBlockLanes; ++lane)
      sum[lane] += plane[pixel * kBlockLanes + lane];
  }
  for (int64_t lane = 0; lane < kBlockLanes; ++lane) {
    y[lane] = ((sums[0][lane] + sums[1][lane]) + (sums[2][lane] + sums[3][lane])) /
              static_cast<float>(pixels);
  }
}

/// A pool over a blocked tensor. Types: float32.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`, `attribute_invalid`.
/// Source: ONNX operators MaxPool and AveragePool; docs/decisions/0006-prepared-graphs.md.
class BlockedPool final : public Kernel {
 public:
  BlockedPool(WindowAttributes window, bool is_maximum, bool include_pad)
      : window_(std::move(window)), is_maximum_(is_maximum), include_pad_(include_pad) {}

  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    if (!input.is_blocked) return ShapeInvalid("a pool's operand isn't blocked");
    TRY(const Window w, SlideOver(input, window_, window_.kernel_shape));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(
                             0, ElementType::kFloat,
                             {input.batch, input.blocks, w.output[1], w.output[2], kBlockLanes}));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    const float* from = x.Values<float>().data();
    const int64_t rows = w.output[1];
    const int64_t work = w.output[2] * kBlockLanes * w.kernel[1] * w.kernel[2];
    context.threads().ParallelFor(
        static_cast<size_t>(input.batch * input.blocks * rows),
        static_cast<size_t>(64 * 1024 / work + 1), [&](size_t begin, size_t end) {
          for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
            const float* plane = from + i / rows * input.plane();
            float* target = y.data() + i * w.output[2] * kBlockLanes;
            if (is_maximum_) {
              MaximumRow(w, plane, i % rows, target);
            } else {
              MeanRow(w, plane, i % rows, include_pad_, target);
            }
          }
        });
    return {};
  }

 private:
  WindowAttributes window_;
  bool is_maximum_;
  bool include_pad_;
};

/// The mean of each channel: [N, blocks, H, W, 16] to [N, blocks, 1, 1, 16]. Types: float32.
/// Errors: as BlockedPool. Source: ONNX operator GlobalAveragePool.
class BlockedGlobalAveragePool final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    if (!input.is_blocked || input.plane() == 0) {
      return ShapeInvalid("GlobalAveragePool: the operand isn't blocked, or has no pixels");
    }
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, ElementType::kFloat,
                                                   {input.batch, input.blocks, 1, 1, kBlockLanes}));
    const std::span<float> y = output->MutableValues<float>();
    const float* from = x.Values<float>().data();
    context.threads().ParallelFor(
        static_cast<size_t>(input.batch * input.blocks),
        static_cast<size_t>(64 * 1024 / input.plane() + 1), [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) {
            MeanPlane(from + static_cast<int64_t>(i) * input.plane(), input.height * input.width,
                      y.data() + static_cast<int64_t>(i) * kBlockLanes);
          }
        });
    return {};
  }
};

MadeKernel MakePool(const NodeSpec& node, bool is_maximum) {
  TRY_OK(CheckArity(node, {}));
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  TRY(const int64_t include_pad, node.attributes.Int("count_include_pad", 0));
  window.cuts_window = true;
  if (window.kernel_shape.size() != 2) return AttributeInvalid("a pool's window hasn't two axes");
  // Padding is less than the kernel, so that every window covers some input.
  for (size_t i = 0; i < window.pads.size(); ++i) {
    if (window.pads[i] >= window.kernel_shape[i % 2]) {
      return AttributeInvalid("a pool's padding isn't smaller than its kernel");
    }
  }
  return std::make_unique<BlockedPool>(std::move(window), is_maximum, include_pad != 0);
}

}  // namespace

MadeKernel MakeBlockedMaxPool(const NodeSpec& node) { return MakePool(node, true); }

MadeKernel MakeBlockedAveragePool(const NodeSpec& node) { return MakePool(node, false); }

MadeKernel MakeBlockedGlobalAveragePool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<BlockedGlobalAveragePool>();
}

}  // namespace ephemeralml::engine::kernels
