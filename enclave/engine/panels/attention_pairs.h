#pragma once
// Attention's two products in bfloat16, of one head after the other: all factors are rounded, sums
// are float32. Private to this module.

#include "enclave/engine/panels/attention.h"

namespace ephemeralml::engine::panels {

class PairedHead {
 public:
  /// `scratch` has ScratchFloats, zeros if keys or columns of values don't fill groups of 16.
  PairedHead(const AttentionShape& shape, float* scratch);
  /// For blocks of up to `most_rows` queries.
  static size_t ScratchFloats(const AttentionShape& shape, int64_t most_rows);

  /// Keeps a head's keys and values, rounded. Strides in floats, between rows.
  void Take(const float* keys, int64_t keys_stride, const float* values, int64_t values_stride);
  /// Q·Kᵀ; a row of `scores` has room for the keys, rounded up to a multiple of 16.
  void MultiplyKeys(const float* queries, int64_t stride, int64_t rows, float* scores) const;
  /// The weights, that stand where scores stood, times V.
  void MultiplyValues(const float* weights, int64_t rows, float* result, int64_t stride) const;

 private:
  void TakeKeys(const float* keys, int64_t stride) const;

  const AttentionShape& shape_;
  int64_t padded_keys_;
  int64_t padded_values_;
  int64_t words_;         // of a row of Q or K
  int64_t key_words_;     // of a row of weights
  float* turned_;         // [panel, words_, the panel's width]
  float* paired_values_;  // [key_words_, padded_values_]
  float* rounded_;        // a block of left operands, or a panel's keys
};

}  // namespace ephemeralml::engine::panels
