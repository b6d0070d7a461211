#include <algorithm>

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/panels/attention_rows.h"

namespace ephemeralml::engine::kernels {
namespace {

// Pixels that are turned together: sixteen channels of them fit the first cache.
constexpr int64_t kPixelsAtOnce = 256;

// Calls `turn(block, first pixel, count)` over all blocks of all images, on all threads.
template <class Turn>
void ForEachRun(Threads& threads, int64_t blocks, int64_t pixels, Turn turn) {
  const int64_t runs = (pixels + kPixelsAtOnce - 1) / kPixelsAtOnce;
  threads.ParallelFor(static_cast<size_t>(blocks * runs), 4, [&](size_t begin, size_t end) {
    for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
      const int64_t first = i % runs * kPixelsAtOnce;
      turn(i / runs, first, std::min(kPixelsAtOnce, pixels - first));
    }
  });
}

/// [N, C, H, W] to [N, ⌈C/16⌉, H, W, 16], zeros in the lanes past C. Types: float32.
/// Errors: kUnsupported `type_unsupported`, kMalformed `shape_invalid`.
class ToBlocked final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    if (input.is_blocked) return ShapeInvalid("ToBlocked: the operand is blocked");
    const int64_t blocks = BlocksOf(input.channels);
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output,
        BlockedOutput(context, input.channels,
                      {input.batch, blocks, input.height, input.width, kBlockLanes}));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    const float* from = x.Values<float>().data();
    const int64_t pixels = input.plane();
    ForEachRun(context.threads(), input.batch * blocks, pixels,
               [&](int64_t block, int64_t first, int64_t count) {
                 const int64_t channel = block % blocks * kBlockLanes;
                 const int64_t row = block / blocks * input.channels + channel;
                 panels::Transpose(from + row * pixels + first, pixels,
                                   std::min(kBlockLanes, input.channels - channel), count,
                                   y.data() + (block * pixels + first) * kBlockLanes, kBlockLanes);
               });
    return {};
  }
};

/// The reverse, for a tensor of `channels` channels.
class FromBlocked final : public Kernel {
 public:
  explicit FromBlocked(int64_t channels) : channels_(channels) {}

  Done Run(KernelContext& context) const override {
    TRY(const BlockedInput input, ReadBlockedInput(context, 0));
    if (!input.is_blocked || input.blocks != BlocksOf(channels_)) {
      return ShapeInvalid("FromBlocked: the operand isn't blocked, or has other channels");
    }
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output,
        context.OutputToOverwrite(0, ElementType::kFloat,
                                  {input.batch, channels_, input.height, input.width}));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    const float* from = x.Values<float>().data();
    const int64_t pixels = input.height * input.width;
    ForEachRun(context.threads(), input.batch * input.blocks, pixels,
               [&](int64_t block, int64_t first, int64_t count) {
                 const int64_t channel = block % input.blocks * kBlockLanes;
                 const int64_t row = block / input.blocks * channels_ + channel;
                 panels::Transpose(from + (block * pixels + first) * kBlockLanes, kBlockLanes,
                                   count, std::min(kBlockLanes, channels_ - channel),
                                   y.data() + row * pixels + first, pixels);
               });
    return {};
  }

 private:
  int64_t channels_;
};

}  // namespace

MadeKernel MakeToBlocked(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<ToBlocked>();
}

MadeKernel MakeFromBlocked(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t channels, node.attributes.RequiredInt("channels"));
  if (channels < 1 || channels > INT32_MAX) {
    return AttributeInvalid("FromBlocked: channels is out of range");
  }
  return std::make_unique<FromBlocked>(channels);
}

}  // namespace ephemeralml::engine::kernels
