#pragma once
// Convolutions in which every channel has a filter of its own. Made once for each kind of vector
// unit; the processor's own is chosen at run time. Nothing here opens, wipes, allocates or fails.

#include <cstdint>
#include <span>

#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::panels {

/// Neighbouring outputs of an axis for which the same taps of the filter lie on the input.
struct FilterRun {
  int64_t first = 0;  ///< output
  int64_t count = 0;
  int64_t first_tap = 0;  ///< of those that lie on the input
  int64_t taps = 0;       ///< perhaps none
  int64_t left = 0;       ///< floats from the input's begin to what that tap meets for that output
};

/// One plane, 16 channels at a time: pixel = bias + the sum over filter rows r and columns c that
/// lie on the input of weights[r, c] · input[r, c], then times scale, plus shift, within the
/// bounds. Taps in the padding are left out: nothing is copied to have zeros around it. Distances
/// in floats.
struct FilteredPlane {
  const float* left = nullptr;  ///< the input, 16 floats a pixel
  int64_t left_step = 0;        ///< from one pixel's input to the next one's of its line
  int64_t left_line = 0;        ///< from one line of pixels to the next
  int64_t left_row = 0;         ///< from what one row of the filter meets to the next row's
  int64_t left_column = 0;      ///< from what one column of the filter meets to the next column's
  const float* weights = nullptr;  ///< [rows, weights_row], [columns, weights_column], 16
  int64_t weights_row = 0;
  int64_t weights_column = 0;
  const float* bias = nullptr;  ///< [16], or null
  float* result = nullptr;
  int64_t result_step = 0;
  int64_t result_line = 0;
  std::span<const FilterRun> lines;    ///< to make, in any number
  std::span<const FilterRun> columns;  ///< of each of them
  float scale = 1;
  float shift = 0;
  Bounds bounds;
};
void FilterPlane(const FilteredPlane& plane);

}  // namespace ephemeralml::engine::panels
