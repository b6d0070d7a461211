#include <algorithm>

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 64 * 1024;
constexpr int64_t kPixelsAtOnce = 4;
constexpr int64_t kPanelBlocks = static_cast<int64_t>(wire::kPanelColumns) / kBlockLanes;

// Neighbouring outputs of an axis for which the same taps of the filter lie on the input.
struct Run {
  int64_t first = 0;
  int64_t count = 0;
  Window::Range taps;
};

std::vector<Run> RunsOf(const Window& window, size_t axis) {
  std::vector<Run> runs;
  for (int64_t at = 0; at < window.output[axis]; ++at) {
    const Window::Range taps = window.TapsInside(axis, at);
    const bool continues =
        !runs.empty() && runs.back().taps.begin == taps.begin && runs.back().taps.end == taps.end;
    if (!continues) runs.push_back({at, 0, taps});
    ++runs.back().count;
  }
  return runs;
}

// All that a run over panels needs to know.
struct Filtering {
  const BlockedInput& input;
  const Window& window;
  const float* x;
  const float* residual;
  float* y;
  std::vector<Run> lines;
  std::vector<Run> columns;
  float scale;
  float shift;
  const panels::Epilogue& epilogue;

  int64_t output_plane() const { return window.output[1] * window.output[2] * kBlockLanes; }
  // The input that the first tap of a run meets for its first output.
  int64_t Met(size_t axis, const Run& run) const {
    return run.first * window.stride[axis] + window.TapAt(axis, run.taps.begin);
  }
};

// The pixels for which the same taps lie on the input. Taps in the padding are left out: nothing is
// copied to have zeros around it. `pixels` knows the whole filter, and where a plane begins.
void FilterRectangle(const Filtering& f, const Run& lines, const Run& columns,
                     panels::FilteredPixels pixels) {
  pixels.rows = lines.taps.end - lines.taps.begin;
  pixels.columns = columns.taps.end - columns.taps.begin;
  if (pixels.rows == 0) pixels.columns = 0;
  if (pixels.columns == 0) {
    pixels.rows = 0;
  } else {
    pixels.left += (f.Met(1, lines) * f.input.width + f.Met(2, columns)) * kBlockLanes;
    pixels.weights += lines.taps.begin * pixels.weights_row;
    pixels.weights += columns.taps.begin * pixels.weights_column;
  }
  pixels.result += (lines.first * f.window.output[2] + columns.first) * kBlockLanes;
  pixels.pixels = columns.count;
  pixels.lines = lines.count;
  // Several pixels at once are faster: those of a narrow rectangle stand below one another.
  if (pixels.pixels < pixels.lines && pixels.pixels < kPixelsAtOnce) {
    std::swap(pixels.pixels, pixels.lines);
    std::swap(pixels.left_step, pixels.left_line);
    std::swap(pixels.result_step, pixels.result_line);
  }
  panels::ApplyFilters(pixels);
}

// One block of sixteen channels of one image.
void FilterPlane(const Filtering& f, int64_t plane, panels::FilteredPixels pixels) {
  const Window& window = f.window;
  const int64_t input_line = f.input.width * kBlockLanes;
  const int64_t output_line = window.output[2] * kBlockLanes;
  pixels.left = f.x + plane * f.input.plane();
  pixels.left_step = window.stride[2] * kBlockLanes;
  pixels.left_line = window.stride[1] * input_line;
  pixels.left_row = window.dilation[1] * input_line;
  pixels.left_column = window.dilation[2] * kBlockLanes;
  pixels.result = f.y + plane * f.output_plane();
  pixels.result_step = kBlockLanes;
  pixels.result_line = output_line;
  pixels.scale = f.scale;
  pixels.shift = f.shift;
  if (f.residual == nullptr) pixels.bounds = panels::Bounds::Of(f.epilogue);
  for (const Run& lines : f.lines) {
    for (const Run& columns : f.columns) FilterRectangle(f, lines, columns, pixels);
  }
  if (pixels.bounds.is_bounded) return;
  const float* residual = f.residual == nullptr ? nullptr : f.residual + plane * f.output_plane();
  panels::FinishRows({0, kBlockLanes, kBlockLanes},
                     {nullptr, pixels.result, residual, window.output[1] * window.output[2]},
                     kBlockLanes, f.epilogue);
}

// The blocks of channels [begin, end), of every image, on the thread of this part.
Done FilterBlocks(KernelContext& context, const Filtering& f, const weights::PackedWeight& weight,
                  size_t part, int64_t begin, int64_t end) {
  const int64_t first = begin / kPanelBlocks;
  const int64_t last = (end + kPanelBlocks - 1) / kPanelBlocks;
  const wire::PackedShape& shape = weight.shape();
  MutableByteSpan window = context.Window(part);
  ArenaBlock larger;  // for filters of hundreds of taps
  const uint64_t needed = weight.WindowBytes(shape.rows() * wire::kPanelColumns * sizeof(float));
  if (needed > window.size()) {
    TRY(larger, context.Scratch(needed));
    window = larger.bytes();
  }
  weights::PanelReader reader =
      weight.Read(static_cast<uint64_t>(first), static_cast<uint64_t>(last), window);
  for (int64_t panel = first; panel < last; ++panel) {
    const uint64_t width = shape.WidthOf(static_cast<uint64_t>(panel));
    TRY(const ByteSpan open, reader.Next(shape.rows() * width * sizeof(float)));
    const auto* values = reinterpret_cast<const float*>(open.data());
    const int64_t base = panel * kPanelBlocks;
    for (int64_t block = std::max(begin, base); block < std::min(end, base + kPanelBlocks);
         ++block) {
      panels::FilteredPixels filter;
      const int64_t lane = (block - base) * kBlockLanes;
      filter.weights_column = static_cast<int64_t>(width);
      filter.weights_row = f.window.kernel[2] * filter.weights_column;
      filter.bias = shape.has_bias ? values + lane : nullptr;
      filter.weights = values + lane + (shape.has_bias ? width : 0);
      for (int64_t image = 0; image < f.input.batch; ++image) {
        FilterPlane(f, image * f.input.blocks + block, filter);
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
    const Filtering f{.input = input,
                      .window = window,
                      .x = x.Values<float>().data(),
                      .residual = residual,
                      .y = y.data(),
                      .lines = RunsOf(window, 1),
                      .columns = RunsOf(window, 2),
                      .scale = numbers.scale,
                      .shift = numbers.shift,
                      .epilogue = epilogue_};
    const int64_t work = input.batch * input.blocks * f.output_plane() * Volume(window.kernel);
    const auto threads = static_cast<int64_t>(context.threads().count());
    const int64_t parts =
        std::clamp<int64_t>(work / kWorthAThread, 1, std::min(threads, input.blocks));
    return context.threads().TryParallelFor(
        static_cast<size_t>(parts), 1, [&](size_t begin, size_t end) {
          return FilterBlocks(context, f, weight, begin,
                              input.blocks * static_cast<int64_t>(begin) / parts,
                              input.blocks * static_cast<int64_t>(end) / parts);
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
