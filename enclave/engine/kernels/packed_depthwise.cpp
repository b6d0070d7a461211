#include <algorithm>

#include "enclave/engine/kernels/channel_filters.h"

namespace ephemeralml::engine::kernels {
namespace {

// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 64 * 1024;
constexpr int64_t kPanelBlocks = static_cast<int64_t>(wire::kPanelColumns) / kBlockLanes;
// Threads may share a block of channels, by parts of its lines: else they wouldn't end together
// where there are few blocks.
constexpr int64_t kMostLineParts = 4;

struct DepthwiseShares {
  const Filtering& f;
  const weights::PackedWeight& weight;
  const BlockedInput& input;
  const float* x = nullptr;

  int64_t line_parts() const { return std::min(kMostLineParts, f.output_lines()); }
};

// Parts [begin, end) of all blocks of channels, line_parts() a block, of every image, on the thread
// of share `share`.
Done FilterParts(KernelContext& context, const DepthwiseShares& shares, size_t share, int64_t begin,
                 int64_t end) {
  const auto& [f, weight, input, x] = shares;
  const int64_t parts = shares.line_parts();
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
  FilterRuns some;
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
      if (to - from < parts) {
        LinesWithin(f, f.output_lines() * from / parts, f.output_lines() * to / parts, 0, some);
      }
      const int64_t lane = (block - base) * kBlockLanes;
      plane.lines = to - from < parts ? some : f.lines;
      plane.bias = shape.has_bias ? values + lane : nullptr;
      plane.weights = values + lane + (shape.has_bias ? plane.weights_column : 0);
      for (int64_t image = 0; image < input.batch; ++image) {
        const int64_t index = image * input.blocks + block;
        plane.left = x + index * input.plane();
        FilterLines(f, index, plane);
      }
    }
  }
  return {};
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
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    Filtering f(window, input.width * kBlockLanes);
    f.residual = residual;
    f.y = y.data();
    f.epilogue = epilogue_;
    TRY_OK(ReadScaleAndShift(context, 3, f));
    const DepthwiseShares cut{f, weight, input, x.Values<float>().data()};
    const int64_t work = input.batch * input.blocks * f.output_plane() * Volume(window.kernel);
    const int64_t parts = input.blocks * cut.line_parts();
    const auto threads = static_cast<int64_t>(context.threads().count());
    const int64_t shares = std::clamp<int64_t>(work / kWorthAThread, 1, std::min(threads, parts));
    return context.threads().TryParallelFor(
        static_cast<size_t>(shares), 1, [&](size_t begin, size_t end) -> Done {
          for (size_t share = begin; share < end; ++share) {
            const auto i = static_cast<int64_t>(share);
            TRY_OK(FilterParts(context, cut, share, parts * i / shares, parts * (i + 1) / shares));
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
  TRY(const panels::Epilogue epilogue, ReadFilterEpilogue(node.attributes));
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  return std::make_unique<PackedDepthwise>(std::move(window), epilogue);
}

}  // namespace ephemeralml::engine::kernels
