#include <algorithm>

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/panels/filter_plane.h"

namespace ephemeralml::engine::kernels {
namespace {

// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 64 * 1024;
constexpr int64_t kPanelBlocks = static_cast<int64_t>(wire::kPanelColumns) / kBlockLanes;
// Threads may share a block of channels, by parts of its lines: else they wouldn't end together
// where there are few blocks.
constexpr int64_t kMostLineParts = 4;

using Runs = std::vector<panels::FilterRun>;

// Of an axis along which inputs lie `distance` floats apart.
Runs RunsOf(const Window& window, size_t axis, int64_t distance) {
  Runs runs;
  for (int64_t at = 0; at < window.output[axis]; ++at) {
    const Window::Range taps = window.TapsInside(axis, at);
    const int64_t count = std::max<int64_t>(taps.end - taps.begin, 0);
    const bool continues =
        !runs.empty() && runs.back().first_tap == taps.begin && runs.back().taps == count;
    if (!continues) {
      const int64_t met = at * window.stride[axis] + window.TapAt(axis, taps.begin);
      runs.push_back({at, 0, taps.begin, count, count == 0 ? 0 : met * distance});
    }
    ++runs.back().count;
  }
  return runs;
}

// All that a run over panels needs to know.
struct Filtering {
  Filtering(const BlockedInput& blocked_input, const Window& slid)
      : input(blocked_input),
        window(slid),
        lines(RunsOf(slid, 1, blocked_input.width * kBlockLanes)),
        columns(RunsOf(slid, 2, kBlockLanes)) {}

  const BlockedInput& input;
  const Window& window;
  Runs lines;
  Runs columns;
  const float* x = nullptr;
  const float* residual = nullptr;
  float* y = nullptr;
  float scale = 1;
  float shift = 0;
  panels::Epilogue epilogue;

  int64_t output_lines() const { return window.output[1]; }
  int64_t line_parts() const { return std::min(kMostLineParts, output_lines()); }
  int64_t output_line() const { return window.output[2] * kBlockLanes; }
  int64_t output_plane() const { return output_lines() * output_line(); }
};

// The runs of lines within [begin, end).
Runs LinesWithin(const Filtering& f, int64_t begin, int64_t end) {
  Runs within;
  for (panels::FilterRun run : f.lines) {
    const int64_t first = std::max(run.first, begin);
    const int64_t count = std::min(run.first + run.count, end) - first;
    if (count <= 0) continue;
    if (run.taps > 0) {
      run.left += (first - run.first) * f.window.stride[1] * f.input.width * kBlockLanes;
    }
    run.first = first;
    run.count = count;
    within.push_back(run);
  }
  return within;
}

// The lines `plane.lines` of one block of sixteen channels of one image.
void FilterLines(const Filtering& f, int64_t index, panels::FilteredPlane& plane) {
  plane.left = f.x + index * f.input.plane();
  plane.result = f.y + index * f.output_plane();
  panels::FilterPlane(plane);
  if (plane.bounds.is_bounded) return;
  const int64_t first = plane.lines.front().first;
  const int64_t end = plane.lines.back().first + plane.lines.back().count;
  const int64_t at = first * f.output_line();
  const float* residual = f.residual == nullptr ? nullptr : f.residual + index * f.output_plane();
  panels::FinishRows({0, kBlockLanes, kBlockLanes},
                     {nullptr, plane.result + at, residual == nullptr ? nullptr : residual + at,
                      (end - first) * f.window.output[2]},
                     kBlockLanes, f.epilogue);
}

// What all planes share.
panels::FilteredPlane PlaneOf(const Filtering& f, const wire::PackedShape& shape, int64_t panel) {
  const Window& window = f.window;
  const int64_t input_line = f.input.width * kBlockLanes;
  panels::FilteredPlane plane;
  plane.left_step = window.stride[2] * kBlockLanes;
  plane.left_line = window.stride[1] * input_line;
  plane.left_row = window.dilation[1] * input_line;
  plane.left_column = window.dilation[2] * kBlockLanes;
  plane.weights_column = static_cast<int64_t>(shape.WidthOf(static_cast<uint64_t>(panel)));
  plane.weights_row = window.kernel[2] * plane.weights_column;
  plane.result_step = kBlockLanes;
  plane.result_line = f.output_line();
  plane.columns = f.columns;
  plane.scale = f.scale;
  plane.shift = f.shift;
  if (f.residual == nullptr) plane.bounds = panels::Bounds::Of(f.epilogue);
  return plane;
}

// Parts [begin, end) of all blocks of channels, line_parts() a block, of every image, on the thread
// of share `share`.
Done FilterParts(KernelContext& context, const Filtering& f, const weights::PackedWeight& weight,
                 size_t share, int64_t begin, int64_t end) {
  const int64_t parts = f.line_parts();
  const int64_t first_block = begin / parts;
  const int64_t last_block = (end + parts - 1) / parts;
  const int64_t first = first_block / kPanelBlocks;
  const int64_t last = (last_block + kPanelBlocks - 1) / kPanelBlocks;
  const wire::PackedShape& shape = weight.shape();
  MutableByteSpan window = context.Window(share);
  ArenaBlock larger;  // for filters of hundreds of taps
  const uint64_t needed = weight.WindowBytes(shape.rows() * wire::kPanelColumns * sizeof(float));
  if (needed > window.size()) {
    TRY(larger, context.Scratch(needed));
    window = larger.bytes();
  }
  weights::PanelReader reader =
      weight.Read(static_cast<uint64_t>(first), static_cast<uint64_t>(last), window);
  for (int64_t panel = first; panel < last; ++panel) {
    panels::FilteredPlane plane = PlaneOf(f, shape, panel);
    TRY(const ByteSpan open,
        reader.Next(shape.rows() * static_cast<uint64_t>(plane.weights_column) * sizeof(float)));
    const auto* values = reinterpret_cast<const float*>(open.data());
    const int64_t base = panel * kPanelBlocks;
    for (int64_t block = std::max(first_block, base);
         block < std::min(last_block, base + kPanelBlocks); ++block) {
      const int64_t from = std::max<int64_t>(begin - block * parts, 0);
      const int64_t to = std::min(end - block * parts, parts);
      Runs some;
      if (to - from < parts) {
        some = LinesWithin(f, f.output_lines() * from / parts, f.output_lines() * to / parts);
      }
      const int64_t lane = (block - base) * kBlockLanes;
      plane.lines = some.empty() ? f.lines : some;
      plane.bias = shape.has_bias ? values + lane : nullptr;
      plane.weights = values + lane + (shape.has_bias ? plane.weights_column : 0);
      for (int64_t image = 0; image < f.input.batch; ++image) {
        FilterLines(f, image * f.input.blocks + block, plane);
      }
    }
  }
  return {};
}

// What a sum is multiplied by, and what is added to that then.
struct Numbers {
  float scale = 1;
  float shift = 0;
};

Result<Numbers> ReadNumbers(KernelContext& context, size_t index) {
  if (!context.HasInput(index)) return Numbers();
  TRY_OK(RequireFloat(context, index));
  if (context.InputShape(index) != Shape{2}) {
    return ShapeInvalid("DepthwiseConv: scale and shift aren't two numbers");
  }
  TRY(const TensorView view, context.Input(index));
  const auto values = view.Values<float>();
  return Numbers{values[0], values[1]};
}

/// A convolution in which every channel has one filter of its own:
/// Y = activation(scale·(conv(X, W) + bias) + shift + residual).
/// Shapes: X [N, ⌈C/16⌉, H, W, 16], W [C, 1, kernel], residual and Y [N, ⌈C/16⌉, output, 16],
/// scale and shift together [2], or left out; float32. Errors: as Conv's. Source:
/// docs/decisions/0006-prepared-graphs.md.
class PackedDepthwise final : public Kernel {
 public:
  PackedDepthwise(WindowAttributes window, panels::Epilogue epilogue)
      : window_(std::move(window)), epilogue_(epilogue) {}

  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    TRY_OK(RequireInput(context, 1));
    TRY(const weights::PackedWeight weight,
        context.Packed(1, weights::PanelLayout::kDepthwisePanels));
    const Shape& kernel = weight.weight().shape;
    if (!input.is_blocked || input.blocks != BlocksOf(kernel[0])) {
      return ShapeInvalid("DepthwiseConv: the weight is for another number of channels");
    }
    TRY(const Window window, SlideOver(input, window_, {kernel[2], kernel[3]}));
    const Shape shape = {input.batch, input.blocks, window.output[1], window.output[2],
                         kBlockLanes};
    TRY(const float* residual, ReadResidual(context, 2, shape));
    TRY(const Numbers numbers, ReadNumbers(context, 3));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    Filtering f(input, window);
    f.x = x.Values<float>().data();
    f.residual = residual;
    f.y = y.data();
    f.scale = numbers.scale;
    f.shift = numbers.shift;
    f.epilogue = epilogue_;
    const int64_t work = input.batch * input.blocks * f.output_plane() * Volume(window.kernel);
    const int64_t parts = input.blocks * f.line_parts();
    const auto threads = static_cast<int64_t>(context.threads().count());
    const int64_t shares = std::clamp<int64_t>(work / kWorthAThread, 1, std::min(threads, parts));
    return context.threads().TryParallelFor(
        static_cast<size_t>(shares), 1, [&](size_t begin, size_t end) -> Done {
          for (size_t share = begin; share < end; ++share) {
            const auto i = static_cast<int64_t>(share);
            TRY_OK(FilterParts(context, f, weight, share, parts * i / shares,
                               parts * (i + 1) / shares));
          }
          return {};
        });
  }

 private:
  WindowAttributes window_;
  panels::Epilogue epilogue_;
};

}  // namespace

MadeKernel MakePackedDepthwise(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 4}));
  // Passed over, they would change the answer in silence.
  if (node.attributes.Has("scale") || node.attributes.Has("shift")) {
    return AttributeInvalid(
        "DepthwiseConv: scale and shift are an input; decompose the model anew");
  }
  TRY(panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  // Sums of so few products show each rounding that differs from the graph's own.
  if (epilogue.activation == panels::Activation::kHardSwish) {
    epilogue.activation = panels::Activation::kSpelledHardSwish;
  }
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  return std::make_unique<PackedDepthwise>(std::move(window), epilogue);
}

}  // namespace ephemeralml::engine::kernels
