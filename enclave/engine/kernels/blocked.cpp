#include "enclave/engine/kernels/blocked.h"

#include <algorithm>

#include "common/base/checked.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {

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
  // Windows in ceil mode may reach past the padding; ours never need more than this.
  const int64_t above = window.pad_begin[1];
  const int64_t before = window.pad_begin[2];
  padded.height = input.height + above + window.pad_end[1];
  padded.width = input.width + before + window.pad_end[2];
  padded.values = from;
  if (padded.height == input.height && padded.width == input.width) return padded;
  const int64_t row = padded.width * input.pixel();
  TRY(const int64_t plane, CheckedMultiply(padded.height, row));
  TRY(const int64_t floats, CheckedMultiply(plane, input.batch * input.planes()));
  TRY(const size_t bytes, CheckedMultiply(static_cast<size_t>(floats), sizeof(float)));
  TRY(padded.scratch, context.ScratchToOverwrite(bytes));
  auto* to = reinterpret_cast<float*>(padded.scratch.bytes().data());
  padded.values = to;
  const int64_t input_row = input.width * input.pixel();
  const int64_t left = before * input.pixel();
  context.threads().ParallelFor(
      static_cast<size_t>(input.batch * input.planes() * padded.height),
      static_cast<size_t>(16 * 1024 / (row + 1) + 1), [&](size_t begin, size_t end) {
        for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
          float* target = to + i * row;
          float* const row_end = target + row;
          const int64_t y = i % padded.height - above;
          if (0 <= y && y < input.height) {
            target = std::fill_n(target, left, 0.0f);
            target = std::copy_n(from + i / padded.height * input.plane() + y * input_row,
                                 input_row, target);
          }
          std::fill(target, row_end, 0.0f);
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
