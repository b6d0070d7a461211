#pragma once
// The innermost loops of pools over blocked tensors. Made once for each kind of vector unit.

#include <cstdint>

namespace ephemeralml::engine::panels {

/// Pixels of a line, 16 channels each, whose windows meet the same taps. Distances in floats.
struct PooledPixels {
  const float* left = nullptr;  ///< what the window's first tap meets for the first pixel
  int64_t left_step = 0;        ///< from one pixel's window to the next one's
  int64_t left_row = 0;         ///< from what one row of taps meets to the next row's
  int64_t left_column = 0;
  int64_t rows = 0;  ///< of taps
  int64_t columns = 0;
  float* result = nullptr;  ///< [pixels, 16]
  int64_t pixels = 0;
};

/// The most of each window; what isn't a number is passed over.
void MaximumOfTaps(const PooledPixels& pixels);

/// The sum of each window, divided.
void MeanOfTaps(const PooledPixels& pixels, float divisor);

}  // namespace ephemeralml::engine::panels
