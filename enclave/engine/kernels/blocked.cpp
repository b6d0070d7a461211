#include "enclave/engine/kernels/blocked.h"

#include <algorithm>

#include "common/base/checked.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

// The pixels of one line of channels that lie in planes, `lanes` of them side by side.
void Interleave(const float* from, int64_t plane, int64_t lanes, int64_t pixel, int64_t width,
                float* to) {
  if (lanes == 3 && pixel == 3) {
    for (int64_t x = 0; x < width; ++x) {
      to[3 * x] = from[x];
      to[3 * x + 1] = from[plane + x];
      to[3 * x + 2] = from[2 * plane + x];
    }
    return;
  }
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const float* const channel = from + lane * plane;
    for (int64_t x = 0; x < width; ++x) to[x * pixel + lane] = channel[x];
  }
  for (int64_t lane = lanes; lane < pixel; ++lane) {
    for (int64_t x = 0; x < width; ++x) to[x * pixel + lane] = 0;
  }
}

// Line `y` of block `block` of all pictures'.
void CopyLine(const BlockedInput& input, const float* from, int64_t block, int64_t y, float* to) {
  if (input.is_blocked) {
    const int64_t line = input.width * kBlockLanes;
    std::copy_n(from + block * input.plane() + y * line, line, to);
    return;
  }
  const int64_t blocks = BlocksOf(input.channels);
  const int64_t channel = block % blocks * kBlockLanes;
  from += (block / blocks * input.channels + channel) * input.plane() + y * input.width;
  Interleave(from, input.plane(), std::min(kBlockLanes, input.channels - channel),
             std::min(kBlockLanes, input.channels), input.width, to);
}

}  // namespace

Result<BlockedInput> ReadBlockedInput(const KernelContext& context, size_t index) {
  TRY_OK(RequireFloat(context, index));
  const Shape& shape = context.InputShape(index);
  BlockedInput input;
  input.is_blocked = shape.size() == 5;
  if (input.is_blocked ? shape[4] != kBlockLanes : shape.size() != 4) {
    return ShapeInvalid("an operand is neither a picture nor a blocked one");
  }
  input.batch = shape[0];
  (input.is_blocked ? input.blocks : input.channels) = shape[1];
  input.height = shape[2];
  input.width = shape[3];
  return input;
}

Result<Window> SlideOver(const BlockedInput& input, const WindowAttributes& attributes,
                         const std::vector<int64_t>& kernel) {
  if (kernel.size() != 2) return ShapeInvalid("a window over pictures hasn't two axes");
  return SlideWindow(attributes, {input.batch, input.planes(), input.height, input.width}, kernel);
}

Result<PaddedInput> Pad(KernelContext& context, size_t index, const BlockedInput& input,
                        const Window& window) {
  PaddedInput padded;
  TRY(const TensorView x, context.Input(index));
  const float* from = x.Values<float>().data();
  const int64_t above = window.pad_begin[1];
  const int64_t before = window.pad_begin[2];
  padded.height = input.height + above + window.pad_end[1];
  padded.width = input.width + before + window.pad_end[2];
  padded.blocks = input.is_blocked ? input.blocks : BlocksOf(input.channels);
  padded.pixel = input.is_blocked ? kBlockLanes : std::min(input.channels, kBlockLanes);
  for (const size_t axis : {1, 2}) {
    const int64_t reach = (window.output[axis] - 1) * window.stride[axis] + window.Reach(axis);
    if (reach > (axis == 1 ? padded.height : padded.width)) {
      return ShapeInvalid("a convolution's window reaches past the padding");
    }
  }
  padded.values = from;
  const bool is_padded = padded.height != input.height || padded.width != input.width;
  if (input.is_blocked && !is_padded) return padded;
  TRY(const int64_t line, CheckedMultiply(padded.width, padded.pixel));
  TRY(const int64_t plane, CheckedMultiply(padded.height, line));
  TRY(const int64_t floats, CheckedMultiply(plane, input.batch * padded.blocks));
  TRY(const size_t bytes, CheckedMultiply(static_cast<size_t>(floats), sizeof(float)));
  TRY(padded.scratch, context.ScratchToOverwrite(bytes));
  auto* to = reinterpret_cast<float*>(padded.scratch.bytes().data());
  padded.values = to;
  context.threads().ParallelFor(
      static_cast<size_t>(input.batch * padded.blocks * padded.height),
      static_cast<size_t>(16 * 1024 / (line + 1) + 1), [&](size_t begin, size_t end) {
        for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
          float* const target = to + i * line;
          const int64_t y = i % padded.height - above;
          if (y < 0 || y >= input.height) {
            std::fill_n(target, line, 0.0f);
            continue;
          }
          float* const first = std::fill_n(target, before * padded.pixel, 0.0f);
          CopyLine(input, from, i / padded.height, y, first);
          std::fill(first + input.width * padded.pixel, target + line, 0.0f);
        }
      });
  return padded;
}

Result<Tensor*> BlockedOutput(KernelContext& context, int64_t channels, Shape shape) {
  if (channels % kBlockLanes != 0) return context.Output(0, ElementType::kFloat, std::move(shape));
  return context.OutputToOverwrite(0, ElementType::kFloat, std::move(shape));
}

Result<const float*> ReadResidual(KernelContext& context, size_t index, const Shape& shape) {
  if (!context.HasInput(index)) return static_cast<const float*>(nullptr);
  TRY_OK(RequireFloat(context, index));
  if (context.InputShape(index) != shape) {
    return ShapeInvalid("the residual isn't shaped as the result");
  }
  TRY(const TensorView residual, context.Input(index));
  return residual.Values<float>().data();
}

}  // namespace ephemeralml::engine::kernels
