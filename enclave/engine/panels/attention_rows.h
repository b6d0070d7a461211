#pragma once
// The vector loops of attention that aren't products. Made once for each kind of vector unit.

#include <cstdint>

namespace ephemeralml::engine::panels {

/// to [columns, rows] = the transpose of from [rows, columns]. Strides in floats.
void Transpose(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
               int64_t to_stride);

struct RowSum {
  float most = 0;
  float sum = 0;
};

/// scores[i] = e to the (scale * scores[i] + mask[i] - the most of these); returns these and their
/// sum. `mask` may be null. `count` is positive.
RowSum ExponentiateRow(float* scores, int64_t count, float scale, const float* mask);

/// Divides each row of values [rows, columns] by its sum; by 0: makes it zeros. Stride in floats.
void DivideRows(float* values, int64_t stride, int64_t columns, const float* sums, int64_t rows);

}  // namespace ephemeralml::engine::panels
