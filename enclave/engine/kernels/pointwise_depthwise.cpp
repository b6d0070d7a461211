#include <algorithm>
#include <utility>

#include "enclave/engine/kernels/channel_filters.h"
#include "enclave/engine/panels/panel_shares.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr auto kPanelColumns = static_cast<int64_t>(wire::kPanelColumns);
constexpr int64_t kPanelBlocks = kPanelColumns / kBlockLanes;
// Of what filters look at, so that it stays in a processor's second cache beside all else.
constexpr int64_t kStripFloats = int64_t{512} * 1024 / sizeof(float);

/// The operator's operands, and how its lines are cut into strips.
struct Operation {
  Operation(const weights::PackedWeight& pointwise_weight,
            const weights::PackedWeight& filter_weight, const BlockedInput& blocked_input,
            const Window& window)
      : pointwise(pointwise_weight),
        filters(filter_weight),
        input(blocked_input),
        f(window, blocked_input.width * kBlockLanes),
        blocks(BlocksOf(filter_weight.weight().shape[0])) {
    const int64_t channels = pointwise.weight().shape[1];
    for (int64_t block = 0; block < input.blocks; ++block) {
      segments.push_back(
          {block * input.plane(), std::min(kBlockLanes, channels - block * kBlockLanes)});
    }
    const int64_t stride = window.stride[1];
    const int64_t fit = kStripFloats / (input.width * kPanelColumns);
    output_lines = std::max<int64_t>((fit - window.Reach(1)) / stride + 1, 1);
    output_lines = std::min(output_lines, f.output_lines());
    lines = std::min((output_lines - 1) * stride + window.Reach(1), input.height);
  }

  int64_t strip_plane() const { return lines * f.input_line; }

  const weights::PackedWeight& pointwise;
  const weights::PackedWeight& filters;
  const BlockedInput& input;
  Filtering f;
  int64_t blocks;  // of filtered channels
  std::vector<panels::Segment> segments;
  int64_t output_lines;  // that a strip makes at most
  int64_t lines;         // of what they are made of, at most
  const float* x = nullptr;
  const float* open_filters = nullptr;  // of all panels
  panels::Epilogue pointwise_epilogue;
};

/// One thread's: lines of what the pointwise convolution makes of a panel's channels.
class Strip {
 public:
  Strip(const Operation& operation, ArenaBlock values)
      : operation_(operation), values_(std::move(values)) {}

  /// Blocks are output lines, of every image.
  Done Run(panels::PanelBlocks& blocks) {
    const Operation& o = operation_;
    const wire::PackedShape& shape = o.pointwise.shape();
    panels::Piece piece;
    piece.width = static_cast<int64_t>(shape.WidthOf(static_cast<uint64_t>(blocks.panel)));
    piece.columns = piece.width;  // lanes past the channels must hold something finite
    piece.weights_stride = piece.width;
    piece.segments = o.segments;
    piece.is_first = true;
    piece.is_last = true;
    const auto bytes = shape.rows() * static_cast<uint64_t>(piece.width) * sizeof(float);
    if (blocks.open.empty()) {
      TRY(blocks.open, blocks.reader.Next(bytes));
    }
    const auto* values = reinterpret_cast<const float*>(blocks.open.data());
    piece.bias = shape.has_bias ? values : nullptr;
    piece.weights = values + (shape.has_bias ? piece.width : 0);
    if (std::exchange(panel_, blocks.panel) != blocks.panel) kept_ = {};
    const int64_t output_lines = o.f.output_lines();
    const int64_t rows = (blocks.end - blocks.begin) * o.input.height * o.input.width;
    panels::Upcoming upcoming = panels::SpreadOver(
        blocks.SealedToFetch(bytes), rows / output_lines + 1, static_cast<int64_t>(shape.steps));
    for (int64_t begin = blocks.begin; begin < blocks.end;) {
      const int64_t image = begin / output_lines;
      const int64_t base = image * output_lines;
      const int64_t end = std::min({blocks.end, base + output_lines, begin + o.output_lines});
      MakeLines(piece, image, begin - base, end - base, upcoming);
      FilterBlocks(image, begin - base, end - base);
      begin = end;
    }
    return {};
  }

  /// Gives its memory back, to be wiped in time, as activations are.
  void Discard() { values_.Discard(); }

 private:
  // What the output lines [begin, end) of one image are made of. Lines that those before them
  // were made of, too, move to the front.
  void MakeLines(const panels::Piece& piece, int64_t image, int64_t begin, int64_t end,
                 panels::Upcoming& upcoming) {
    const Operation& o = operation_;
    const Window& window = o.f.window;
    const int64_t above = begin * window.stride[1] - window.pad_begin[1];
    const int64_t below = (end - 1) * window.stride[1] - window.pad_begin[1] + window.Reach(1);
    const Kept wanted = {image, std::clamp<int64_t>(above, 0, o.input.height),
                         std::clamp<int64_t>(below, 0, o.input.height)};
    int64_t made = wanted.first;
    if (kept_.image == image && kept_.first <= wanted.first && wanted.first < kept_.end) {
      made = kept_.end;
      MoveToFront(piece.width / kBlockLanes, wanted.first - kept_.first, made - wanted.first);
    }
    kept_ = wanted;
    if (made >= wanted.end) return;
    const int64_t line = o.f.input_line;
    const panels::Strides strides = {kBlockLanes, kBlockLanes, o.strip_plane()};
    const panels::Rows rows = {o.x + image * o.input.blocks * o.input.plane() + made * line,
                               values() + (made - wanted.first) * line, nullptr,
                               (wanted.end - made) * o.input.width};
    panels::MultiplyPiece(piece, strides, rows, o.pointwise_epilogue, upcoming);
  }

  void MoveToFront(int64_t blocks, int64_t from, int64_t count) {
    if (from == 0) return;
    const int64_t line = operation_.f.input_line;
    for (int64_t block = 0; block < blocks; ++block) {
      float* const plane = values() + block * operation_.strip_plane();
      std::copy_n(plane + from * line, count * line, plane);
    }
  }

  // The output lines [begin, end) of the panel's blocks of channels.
  void FilterBlocks(int64_t image, int64_t begin, int64_t end) {
    const Operation& o = operation_;
    const wire::PackedShape& shape = o.filters.shape();
    const float* weights = o.open_filters + shape.OffsetOf(static_cast<uint64_t>(panel_));
    panels::FilteredPlane plane = PlaneOf(o.f, shape, panel_);
    LinesWithin(o.f, begin, end, kept_.first, runs_);
    plane.lines = runs_;
    const int64_t first = panel_ * kPanelBlocks;
    for (int64_t block = first; block < std::min(first + kPanelBlocks, o.blocks); ++block) {
      const int64_t lane = (block - first) * kBlockLanes;
      plane.left = values() + (block - first) * o.strip_plane();
      plane.bias = shape.has_bias ? weights + lane : nullptr;
      plane.weights = weights + lane + (shape.has_bias ? plane.weights_column : 0);
      FilterLines(o.f, image * o.blocks + block, plane);
    }
  }

  float* values() { return reinterpret_cast<float*>(values_.bytes().data()); }

  // Lines of the pointwise convolution's result that lie in `values_`.
  struct Kept {
    int64_t image = -1;
    int64_t first = 0;
    int64_t end = 0;
  };

  const Operation& operation_;
  ArenaBlock values_;  // [kPanelBlocks, lines, width, 16]
  int64_t panel_ = -1;
  Kept kept_;
  FilterRuns runs_;
};

/// A pointwise convolution and a depthwise one of what it makes, which never exists as a whole:
/// Y = activation(scale·(conv(pointwise_activation(conv(X, W) + bias), V) + bias) + shift).
/// Shapes: X [N, ⌈C/16⌉, H, W, 16], W [M, C, 1, 1], V [M, 1, kernel], Y [N, ⌈M/16⌉, output, 16],
/// scale and shift together [2], or left out; float32. Errors: as Conv's. Source:
/// docs/decisions/0006-prepared-graphs.md.
class PointwiseDepthwise final : public Kernel {
 public:
  PointwiseDepthwise(WindowAttributes window, panels::Epilogue pointwise, panels::Epilogue epilogue)
      : window_(std::move(window)), pointwise_(pointwise), epilogue_(epilogue) {}

  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    TRY_OK(RequireInput(context, 1));
    TRY_OK(RequireInput(context, 2));
    TRY(const weights::PackedWeight pointwise,
        context.Packed(1, weights::PanelLayout::kConvPanels));
    TRY(const weights::PackedWeight filters,
        context.Packed(2, weights::PanelLayout::kDepthwisePanels));
    const Shape& by = pointwise.weight().shape;
    const Shape& kernel = filters.weight().shape;
    // A picture that isn't in blocks has none.
    if (input.blocks != BlocksOf(by[1]) || by[0] != kernel[0]) {
      return ShapeInvalid("PointwiseDepthwiseConv: a weight is for another number of channels");
    }
    if (by[2] * by[3] != 1 || by[1] > wire::kMostPointwiseChannels) {
      return ShapeInvalid("PointwiseDepthwiseConv: the weight has too many taps or channels");
    }
    const uint64_t panel_count = filters.shape().panel_count();
    const uint64_t filter_bytes = filters.shape().OffsetOf(panel_count) * sizeof(float);
    TRY(const Window window, SlideOver(input, window_, {kernel[2], kernel[3]}));
    if (filter_bytes > wire::kMostFilterBytes || window.Reach(1) > wire::kMostFilterLines) {
      return ShapeInvalid("PointwiseDepthwiseConv: the filters are too large");
    }
    filters.FetchSealed();
    const Shape shape = {input.batch, BlocksOf(kernel[0]), window.output[1], window.output[2],
                         kBlockLanes};
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    Operation operation(pointwise, filters, input, window);
    operation.x = x.Values<float>().data();
    operation.pointwise_epilogue = pointwise_;
    operation.f.y = y.data();
    operation.f.epilogue = epilogue_;
    TRY_OK(ReadScaleAndShift(context, 3, operation.f));
    // So few that threads which opened their own wouldn't be done before.
    TRY(ArenaBlock open, context.ScratchToOverwrite(filters.WindowBytes(filter_bytes)));
    {
      weights::PanelReader reader = filters.Read(0, panel_count, open.bytes());
      TRY(const ByteSpan values, reader.Next(filter_bytes));
      operation.open_filters = reinterpret_cast<const float*>(values.data());
      TRY_OK(RunStrips(context, operation));
    }
    open.Discard();
    return {};
  }

 private:
  static Done RunStrips(KernelContext& context, const Operation& operation) {
    std::vector<Strip> strips;
    const size_t threads = context.threads().count();
    strips.reserve(threads);
    const auto floats = static_cast<size_t>(kPanelBlocks * operation.strip_plane());
    for (size_t i = 0; i < threads; ++i) {
      TRY(ArenaBlock values, context.ScratchToOverwrite(floats * sizeof(float)));
      strips.emplace_back(operation, std::move(values));
    }
    const BlockedInput& input = operation.input;
    const panels::PanelJob job = {
        .weight = &operation.pointwise,
        .work = {.blocks = input.batch * operation.f.output_lines(),
                 .rows = input.batch * input.height * input.width},
        .run = [&](panels::PanelBlocks& blocks) { return strips[blocks.share].Run(blocks); },
        .may_be_split = true};
    TRY_OK(panels::RunOnPanels(context, {&job, 1}));
    for (Strip& strip : strips) strip.Discard();
    return {};
  }

  WindowAttributes window_;
  panels::Epilogue pointwise_;
  panels::Epilogue epilogue_;
};

}  // namespace

MadeKernel MakePointwiseDepthwise(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 4}));
  TRY(const panels::Epilogue pointwise, ReadEpilogue(node.attributes, "pointwise_activation"));
  TRY(const panels::Epilogue epilogue, ReadFilterEpilogue(node.attributes));
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  return std::make_unique<PointwiseDepthwise>(std::move(window), pointwise, epilogue);
}

}  // namespace ephemeralml::engine::kernels
