#pragma once
// Layer normalization of one row at a time. Made once for each kind of vector unit.

#include <cstdint>

namespace ephemeralml::engine::panels {

struct RowMoments {
  float mean = 0;
  float inverse_deviation = 0;
};

/// y = (x - mean) / sqrt(variance + epsilon) * scale, plus bias if it isn't null, over the row's
/// `count` elements. Source: ONNX operator LayerNormalization, version 17.
RowMoments NormalizeRow(const float* x, const float* scale, const float* bias, float* y,
                        int64_t count, float epsilon);

}  // namespace ephemeralml::engine::panels
