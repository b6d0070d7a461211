#pragma once
// Blocked tensors: [N, blocks, H, W, 16], sixteen channels side by side for each pixel. What is
// shared by the prepared operators that take or make them.

#include "enclave/engine/kernels/epilogue.h"
#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {

inline constexpr int64_t kBlockLanes = 16;

inline int64_t BlocksOf(int64_t channels) { return (channels + kBlockLanes - 1) / kBlockLanes; }

/// An input of a prepared convolution or pool: blocked, or (convolutions alone) plain [N, C, H, W].
struct BlockedInput {
  int64_t batch = 0;
  int64_t blocks = 0;    ///< of 16 channels, if blocked
  int64_t channels = 0;  ///< if plain
  int64_t height = 0;
  int64_t width = 0;
  bool is_blocked = false;

  /// Floats of one block (or one plain channel), and how many there are.
  int64_t plane() const { return height * width * (is_blocked ? kBlockLanes : 1); }
  int64_t planes() const { return is_blocked ? blocks : channels; }
};

/// Errors: kUnsupported `type_unsupported`, kMalformed `input_invalid`, `shape_invalid`.
Result<BlockedInput> ReadBlockedInput(const KernelContext& context, size_t index);

/// Where the window slides over the input. Errors: as SlideWindow, kMalformed `shape_invalid` (not
/// two axes).
Result<Window> SlideOver(const BlockedInput& input, const WindowAttributes& attributes,
                         const std::vector<int64_t>& kernel);

/// The input with its window's padding around it, [N, blocks, height, width, pixel]: itself, or a
/// copy in `scratch`. A pixel has 16 lanes, or if there are fewer channels as many: then taps
/// beside one another meet floats beside one another.
struct PaddedInput {
  const float* values = nullptr;
  int64_t blocks = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t pixel = 0;
  ArenaBlock scratch;

  int64_t line() const { return width * pixel; }
  int64_t plane() const { return height * line(); }
};

/// Plain inputs are always copied.
/// Errors: kOverLimit `session_memory_exceeded`, those of KernelContext::Input.
Result<PaddedInput> Pad(KernelContext& context, size_t index, const BlockedInput& input,
                        const Window& window);

/// Makes output 0, for kernels that write every lane of `channels` channels: where the last block
/// has others, all is zeroed. Errors: kOverLimit.
Result<Tensor*> BlockedOutput(KernelContext& context, int64_t channels, Shape shape);

/// A residual of exactly this shape; null if it is left out.
/// Errors: kMalformed `shape_invalid`, kUnsupported `type_unsupported`.
Result<const float*> ReadResidual(KernelContext& context, size_t index, const Shape& shape);

}  // namespace ephemeralml::engine::kernels
