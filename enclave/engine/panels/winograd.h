#pragma once
// Convolutions of 3 x 3 taps by Winograd's F(4x4, 3x3) or F(2x2, 3x3), on all threads: 36 products
// for the 144 of a tile of sixteen pixels, or 16 for the 36 of four. Weights are transformed after
// they are opened, some channels at a time, and wiped with that. Pays off where a picture has more
// than a few tiles.

#include "enclave/engine/base/kernel.h"
#include "enclave/engine/panels/panel_tile.h"
#include "enclave/weights/panel_reader.h"

namespace ephemeralml::engine::panels {

/// What is convolved, at stride 1 and without dilation. Pictures are blocked: [image, block of 16
/// channels, height, width, 16].
struct WinogradConvolution {
  const float* input = nullptr;  ///< without padding: around it all is zero
  int64_t images = 0;
  int64_t blocks = 0;  ///< of 16 channels, of the input
  int64_t input_height = 0;
  int64_t input_width = 0;
  int64_t above = 0;   ///< lines of padding above the input
  int64_t before = 0;  ///< pixels of padding before each of its lines
  float* result = nullptr;
  const float* residual = nullptr;  ///< laid out as the result, or null
  int64_t result_blocks = 0;
  int64_t height = 0;  ///< of the result
  int64_t width = 0;
  Epilogue epilogue;
  bool input_is_weight = false;  ///< what is made of it is wiped at once, as weights are
};

/// True for pictures of a size for which transforms cost less than they save, and for which what
/// has to wait in memory is little beside the pictures.
bool SuitsWinograd(int64_t channels, int64_t columns, int64_t images, int64_t height,
                   int64_t width);

/// result = epilogue(convolution + bias + residual), the weight's steps in the order of
/// docs/formats/weight_blob.md: blocks of channels, taps, channels. Not from within a parallel
/// region. Errors: kUnauthentic `weights_unauthentic`, kOverLimit `session_memory_exceeded`.
Done ConvolveByTiles(KernelContext& context, const weights::PackedWeight& weight,
                     const WinogradConvolution& convolution);

}  // namespace ephemeralml::engine::panels
