#pragma once
// Lays out what a sliding window sees as a matrix, so that a convolution is a matrix product.

#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {

/// A part of the matrix whose row (channel, tap) and column (output pixel) is the input element
/// that the tap meets there, or 0 in the padding.
struct ColumnsPart {
  int64_t first_row = 0;
  int64_t last_row = 0;
  int64_t first_pixel = 0;
  int64_t last_pixel = 0;
};

/// Writes a part of the matrix for `planes`, which begin with channel 0. `target` is where row 0
/// and the part's first pixel would lie; its rows are last_pixel - first_pixel long.
void WriteColumns(const Window& window, const float* planes, const ColumnsPart& part,
                  float* target);

}  // namespace ephemeralml::engine::kernels
