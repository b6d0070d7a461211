#include <algorithm>

#include "enclave/engine/kernels/blocked.h"

namespace ephemeralml::engine::kernels {
namespace {

// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 64 * 1024;
constexpr int64_t kPanelBlocks = static_cast<int64_t>(wire::kPanelColumns) / kBlockLanes;

// Neighbouring pixels of every line of the output, for which the same columns of the filter lie on
// the input.
struct Run {
  int64_t first = 0;
  int64_t pixels = 0;
  Window::Range columns;
};

std::vector<Run> RunsOf(const Window& window) {
  std::vector<Run> runs;
  for (int64_t x = 0; x < window.output[2]; ++x) {
    const Window::Range columns = window.TapsInside(2, x);
    const bool continues = !runs.empty() && runs.back().columns.begin == columns.begin &&
                           runs.back().columns.end == columns.end;
    if (!continues) runs.push_back({x, 0, columns});
    ++runs.back().pixels;
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
  std::vector<Run> runs;
  float scale;
  float shift;
  const panels::Epilogue& epilogue;

  int64_t output_plane() const { return window.output[1] * window.output[2] * kBlockLanes; }
  // The input that tap `tap` meets for output `output` of an axis.
  int64_t Met(size_t axis, int64_t output, int64_t tap) const {
    return output * window.stride[axis] + window.TapAt(axis, tap);
  }
};

// One line of a plane's output. Taps in the padding are left out: nothing is copied to have zeros
// around it. `row` knows the filter and where the line's results go.
void FilterLine(const Filtering& f, const float* plane, int64_t y, panels::FilterRow row) {
  const Window::Range taps = f.window.TapsInside(1, y);
  row.rows = taps.end - taps.begin;
  if (row.rows > 0) plane += f.Met(1, y, taps.begin) * f.input.width * kBlockLanes;
  row.weights += taps.begin * row.weights_row;
  for (const Run& run : f.runs) {
    panels::FilterRow part = row;
    part.columns = run.columns.end - run.columns.begin;
    part.weights += run.columns.begin * row.weights_column;
    part.left = plane;
    if (part.columns > 0) part.left += f.Met(2, run.first, run.columns.begin) * kBlockLanes;
    part.result += run.first * kBlockLanes;
    part.pixels = run.pixels;
    panels::ApplyFilters(part);
  }
}

// One block of sixteen channels of one image, filtered line by line.
void FilterPlane(const Filtering& f, int64_t plane, panels::FilterRow row) {
  const Window& window = f.window;
  row.left_step = window.stride[2] * kBlockLanes;
  row.left_row = window.dilation[1] * f.input.width * kBlockLanes;
  row.left_column = window.dilation[2] * kBlockLanes;
  row.scale = f.scale;
  row.shift = f.shift;
  if (f.residual == nullptr) row.bounds = panels::Bounds::Of(f.epilogue);
  for (int64_t y = 0; y < window.output[1]; ++y) {
    const int64_t at = plane * f.output_plane() + y * window.output[2] * kBlockLanes;
    row.result = f.y + at;
    FilterLine(f, f.x + plane * f.input.plane(), y, row);
    if (row.bounds.is_bounded) continue;
    panels::FinishRows(
        {0, kBlockLanes, kBlockLanes},
        {nullptr, row.result, f.residual == nullptr ? nullptr : f.residual + at, window.output[2]},
        kBlockLanes, f.epilogue);
  }
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
      panels::FilterRow row;
      const int64_t lane = (block - base) * kBlockLanes;
      row.weights_column = static_cast<int64_t>(width);
      row.weights_row = f.window.kernel[2] * row.weights_column;
      row.bias = shape.has_bias ? values + lane : nullptr;
      row.weights = values + lane + (shape.has_bias ? width : 0);
      for (int64_t image = 0; image < f.input.batch; ++image) {
        FilterPlane(f, image * f.input.blocks + block, row);
      }
    }
  }
  return {};
}

/// A convolution in which every channel has one filter of its own:
/// Y = activation(scale·(conv(X, W) + bias) + shift + residual).
/// Shapes: X [N, ⌈C/16⌉, H, W, 16], W [C, 1, kernel], residual and Y [N, ⌈C/16⌉, output, 16];
/// float32. Errors: as Conv's. Source: docs/decisions/0006-prepared-graphs.md.
class PackedDepthwise final : public Kernel {
 public:
  PackedDepthwise(WindowAttributes window, float scale, float shift, panels::Epilogue epilogue)
      : window_(std::move(window)), scale_(scale), shift_(shift), epilogue_(epilogue) {}

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
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    const Filtering f{.input = input,
                      .window = window,
                      .x = x.Values<float>().data(),
                      .residual = residual,
                      .y = y.data(),
                      .runs = RunsOf(window),
                      .scale = scale_,
                      .shift = shift_,
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
  float scale_;
  float shift_;
  panels::Epilogue epilogue_;
};

}  // namespace

MadeKernel MakePackedDepthwise(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  // Sums of so few products show each rounding that differs from the graph's own.
  if (epilogue.activation == panels::Activation::kHardSwish) {
    epilogue.activation = panels::Activation::kSpelledHardSwish;
  }
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  TRY(const float scale, node.attributes.Float("scale", 1));
  TRY(const float shift, node.attributes.Float("shift", 0));
  return std::make_unique<PackedDepthwise>(std::move(window), scale, shift, epilogue);
}

}  // namespace ephemeralml::engine::kernels
