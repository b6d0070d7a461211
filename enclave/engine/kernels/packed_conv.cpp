#include <algorithm>

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/panels/panel_product.h"
#include "enclave/engine/panels/winograd.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Y = activation(conv(X, W) + bias + residual), W a packed weight that carries the bias.
/// Shapes: X [N, ⌈C/16⌉, H, W, 16] or [N, C, H, W], W [M, C, kernel], residual and Y [N, ⌈M/16⌉,
/// output, 16]; float32.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`, `input_invalid`,
/// `topology_malformed`. Source: docs/decisions/0006-prepared-graphs.md.
class PackedConv final : public Kernel {
 public:
  PackedConv(WindowAttributes window, panels::Epilogue epilogue)
      : window_(std::move(window)), epilogue_(epilogue) {}

  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    TRY_OK(RequireInput(context, 1));
    TRY(const weights::PackedWeight weight, context.Packed(1, weights::PanelLayout::kConvPanels));
    const Shape& kernel = weight.weight().shape;
    const int64_t channels = kernel[1];
    if (input.is_blocked ? input.blocks != BlocksOf(channels) : input.channels != channels) {
      return ShapeInvalid("Conv: the weight is for another number of channels");
    }
    TRY(const Window window, SlideOver(input, window_, {kernel[2], kernel[3]}));
    const Shape shape = {input.batch, BlocksOf(kernel[0]), window.output[1], window.output[2],
                         kBlockLanes};
    TRY(const float* residual, ReadResidual(context, 2, shape));
    TRY(Tensor * output, BlockedOutput(context, kernel[0], shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    if (TakesTiles(input, window, channels, kernel[0])) {
      TRY(const TensorView x, context.Input(0));
      return panels::ConvolveByTiles(
          context, weight,
          {x.Values<float>().data(), input.batch, input.blocks, input.height, input.width,
           window.pad_begin[1], window.pad_begin[2], y.data(), residual, shape[1], shape[2],
           shape[3], epilogue_, context.HoldsWeight(0)});
    }
    TRY(PaddedInput padded, Pad(context, 0, input, window));
    const std::vector<panels::Segment> sum = SumOf(padded, window, channels);
    panels::Product product;
    product.weight = &weight;
    product.left = padded.values;
    product.result = y.data();
    product.residual = residual;
    product.segments = sum;
    product.epilogue = epilogue_;
    Place(padded, window, shape, product);
    Done done = panels::MultiplyPacked(context, {&product, 1});
    // What was made of a weight is wiped at once, as weights are.
    if (!context.HoldsWeight(0)) padded.scratch.Discard();
    return done;
  }

 private:
  static bool TakesTiles(const BlockedInput& input, const Window& window, int64_t channels,
                         int64_t columns) {
    for (const size_t axis : {1, 2}) {
      if (window.kernel[axis] != 3 || window.stride[axis] != 1 || window.dilation[axis] != 1) {
        return false;
      }
    }
    return input.is_blocked && panels::SuitsWinograd(channels, columns, input.batch,
                                                     window.output[1], window.output[2]);
  }

  // In the order of the weight's steps: blocks of input channels, then taps, then channels.
  static std::vector<panels::Segment> SumOf(const PaddedInput& padded, const Window& window,
                                            int64_t channels) {
    std::vector<panels::Segment> sum;
    sum.reserve(static_cast<size_t>(padded.blocks * window.kernel[1] * window.kernel[2]));
    for (int64_t block = 0; block < padded.blocks; ++block) {
      const int64_t lanes = std::min(kBlockLanes, channels - block * kBlockLanes);
      // Taps beside one another are one segment where nothing lies between them.
      const bool is_dense = window.dilation[2] == 1 && lanes == padded.pixel;
      const int64_t segments = is_dense ? 1 : window.kernel[2];
      const int64_t steps = is_dense ? window.kernel[2] * lanes : lanes;
      for (int64_t row = 0; row < window.kernel[1]; ++row) {
        const int64_t first = block * padded.plane() + row * window.dilation[1] * padded.line();
        for (int64_t i = 0; i < segments; ++i) {
          sum.push_back({first + i * window.dilation[2] * padded.pixel, steps});
        }
      }
    }
    return sum;
  }

  static void Place(const PaddedInput& padded, const Window& window, const Shape& output,
                    panels::Product& product) {
    const int64_t pixels = output[2] * output[3];
    product.strides = {window.stride[2] * padded.pixel, kBlockLanes, pixels * kBlockLanes};
    product.result_panel =
        static_cast<int64_t>(wire::kPanelColumns) / kBlockLanes * pixels * kBlockLanes;
    panels::Lines& lines = product.lines;
    lines.images = output[0];
    lines.left_image = padded.blocks * padded.plane();
    lines.result_image = output[1] * pixels * kBlockLanes;
    // Where each row of pixels follows the last one's end, a whole picture is one line.
    const bool is_one_line =
        window.kernel[1] * window.kernel[2] == 1 && window.stride[1] * window.stride[2] == 1;
    lines.lines = is_one_line ? 1 : output[2];
    lines.rows = is_one_line ? pixels : output[3];
    lines.left_line = window.stride[1] * padded.line();
    lines.result_line = output[3] * kBlockLanes;
  }

  WindowAttributes window_;
  panels::Epilogue epilogue_;
};

}  // namespace

MadeKernel MakePackedConv(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  TRY(WindowAttributes window, WindowAttributes::Read(node.attributes));
  return std::make_unique<PackedConv>(std::move(window), epilogue);
}

}  // namespace ephemeralml::engine::kernels
