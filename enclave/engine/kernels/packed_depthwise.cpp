#include <algorithm>

#include "enclave/engine/kernels/blocked.h"

namespace ephemeralml::engine::kernels {
namespace {

// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 64 * 1024;
constexpr int64_t kPanelBlocks = static_cast<int64_t>(wire::kPanelColumns) / kBlockLanes;

// All that a run over panels needs to know.
struct Filtering {
  const BlockedInput& input;
  const Window& window;
  const float* x;
  const float* residual;
  float* y;
  std::vector<int64_t> taps;  // in a padded plane
  int64_t padded_width;
  int64_t padded_height;
  const panels::Epilogue& epilogue;

  int64_t output_plane() const { return window.output[1] * window.output[2] * kBlockLanes; }
};

// One block of sixteen channels of one image: its plane is padded, in the thread's own scratch
// space, and filtered row by row.
void FilterPlane(const Filtering& f, int64_t plane, panels::FilterRow row, float* padded) {
  const BlockedInput& input = f.input;
  const float* from = f.x + plane * input.plane();
  const int64_t padded_row = f.padded_width * kBlockLanes;
  if (padded != nullptr) {
    for (int64_t y = 0; y < input.height; ++y) {
      std::copy_n(
          from + y * input.width * kBlockLanes, input.width * kBlockLanes,
          padded + (y + f.window.pad_begin[1]) * padded_row + f.window.pad_begin[2] * kBlockLanes);
    }
    from = padded;
  }
  row.left_step = f.window.stride[2] * kBlockLanes;
  row.taps = f.taps;
  row.pixels = f.window.output[2];
  for (int64_t y = 0; y < f.window.output[1]; ++y) {
    const int64_t at = plane * f.output_plane() + y * row.pixels * kBlockLanes;
    row.left = from + y * f.window.stride[1] * padded_row;
    row.result = f.y + at;
    panels::ApplyFilters(row);
    panels::FinishRows(
        {0, kBlockLanes, kBlockLanes},
        {nullptr, row.result, f.residual == nullptr ? nullptr : f.residual + at, row.pixels},
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
  const bool pads = f.padded_width != f.input.width || f.padded_height != f.input.height;
  ArenaBlock padded;
  if (pads) {
    TRY(padded,
        context.Scratch(static_cast<size_t>(f.padded_width * f.padded_height * kBlockLanes) *
                        sizeof(float)));
  }
  auto* scratch = pads ? reinterpret_cast<float*>(padded.bytes().data()) : nullptr;
  for (int64_t panel = first; panel < last; ++panel) {
    const uint64_t width = shape.WidthOf(static_cast<uint64_t>(panel));
    TRY(const ByteSpan open, reader.Next(shape.rows() * width * sizeof(float)));
    const auto* values = reinterpret_cast<const float*>(open.data());
    const int64_t base = panel * kPanelBlocks;
    for (int64_t block = std::max(begin, base); block < std::min(end, base + kPanelBlocks);
         ++block) {
      panels::FilterRow row;
      const int64_t lane = (block - base) * kBlockLanes;
      row.weights_stride = static_cast<int64_t>(width);
      row.bias = shape.has_bias ? values + lane : nullptr;
      row.weights = values + lane + (shape.has_bias ? width : 0);
      for (int64_t image = 0; image < f.input.batch; ++image) {
        FilterPlane(f, image * f.input.blocks + block, row, scratch);
      }
    }
  }
  return {};
}

/// A convolution in which every channel has one filter of its own:
/// Y = activation(conv(X, W) + bias + residual).
/// Shapes: X [N, ⌈C/16⌉, H, W, 16], W [C, 1, kernel], residual and Y [N, ⌈C/16⌉, output, 16];
/// float32. Errors: as Conv's. Source: docs/decisions/0006-prepared-graphs.md.
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
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    Filtering f{.input = input,
                .window = window,
                .x = x.Values<float>().data(),
                .residual = residual,
                .y = y.data(),
                .taps = {},
                .padded_width = input.width + window.pad_begin[2] + window.pad_end[2],
                .padded_height = input.height + window.pad_begin[1] + window.pad_end[1],
                .epilogue = epilogue_};
    for (int64_t row = 0; row < window.kernel[1]; ++row) {
      for (int64_t column = 0; column < window.kernel[2]; ++column) {
        f.taps.push_back((row * window.dilation[1] * f.padded_width + column * window.dilation[2]) *
                         kBlockLanes);
      }
    }
    const int64_t work =
        input.batch * input.blocks * f.output_plane() * static_cast<int64_t>(f.taps.size());
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
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  return std::make_unique<PackedDepthwise>(std::move(window), epilogue);
}

}  // namespace ephemeralml::engine::kernels
