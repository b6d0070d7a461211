#include <algorithm>

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/panels/pool_pixels.h"

namespace ephemeralml::engine::kernels {
namespace {

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
    const int64_t work = w.output[2] * kBlockLanes * w.MostTaps();
    context.threads().ParallelFor(
        static_cast<size_t>(input.batch * input.blocks * rows),
        static_cast<size_t>(64 * 1024 / work + 1), [&](size_t begin, size_t end) {
          for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
            RunLine(w, from + i / rows * input.plane(), i % rows,
                    y.data() + i * w.output[2] * kBlockLanes);
          }
        });
    return {};
  }

 private:
  // Neighbours whose windows meet the same taps, all but those at the picture's edge, go together.
  void RunLine(const Window& w, const float* plane, int64_t line, float* y) const {
    const Window::Range rows = w.TapsInside(1, line);
    panels::PooledPixels pixels;
    pixels.left_step = w.stride[2] * kBlockLanes;
    pixels.left_row = w.dilation[1] * w.input[2] * kBlockLanes;
    pixels.left_column = w.dilation[2] * kBlockLanes;
    pixels.rows = rows.end - rows.begin;
    const int64_t top = line * w.stride[1] + w.TapAt(1, rows.begin);
    for (int64_t column = 0; column < w.output[2]; column += pixels.pixels) {
      const Window::Range columns = w.TapsInside(2, column);
      const int64_t counted = Counted(w, 2, column, include_pad_);
      const auto goes_along = [&](int64_t next) {
        const Window::Range taps = w.TapsInside(2, next);
        return taps.begin == columns.begin && taps.end == columns.end &&
               Counted(w, 2, next, include_pad_) == counted;
      };
      pixels.pixels = 1;
      while (column + pixels.pixels < w.output[2] && goes_along(column + pixels.pixels)) {
        ++pixels.pixels;
      }
      const int64_t left = column * w.stride[2] + w.TapAt(2, columns.begin);
      pixels.columns = columns.end - columns.begin;
      const bool is_empty = pixels.rows == 0 || pixels.columns == 0;
      pixels.left = is_empty ? plane : plane + (top * w.input[2] + left) * kBlockLanes;
      pixels.result = y + column * kBlockLanes;
      if (is_maximum_) {
        panels::MaximumOfTaps(pixels);
      } else {
        panels::MeanOfTaps(pixels, static_cast<float>(Counted(w, 1, line, include_pad_) * counted));
      }
    }
  }

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
        static_cast<size_t>(8 * 1024 / input.plane() + 1), [&](size_t begin, size_t end) {
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
  TRY(WindowAttributes window, WindowAttributes::ReadPool(node.attributes));
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
