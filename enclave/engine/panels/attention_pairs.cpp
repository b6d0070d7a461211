#include "enclave/engine/panels/attention_pairs.h"

#include <algorithm>

#include "enclave/engine/panels/attention_rows.h"
#include "enclave/engine/panels/pair_instruction.h"
#include "enclave/engine/panels/pair_tile.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kPanel = 64;

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }
int64_t WordsOf(int64_t steps) { return (steps + 1) / 2; }

// Rows of words times a panel of words.
void Multiply(const float* left, int64_t left_size, int64_t rows, Piece piece, int64_t words,
              float* result, int64_t stride) {
  const Segment sum{0, words};
  piece.segments = {&sum, 1};
  piece.is_first = piece.is_last = true;
  Upcoming nothing;
  MultiplyPairs(piece, {left_size, stride, 16}, {left, result, nullptr, rows}, {}, nothing);
}

}  // namespace

PairedHead::PairedHead(const AttentionShape& shape, float* scratch)
    : shape_(shape),
      padded_keys_(RoundUp(shape.keys, 16)),
      padded_values_(RoundUp(shape.value_columns, 16)),
      words_(WordsOf(shape.head_columns)),
      key_words_(WordsOf(shape.keys)),
      turned_(scratch),
      paired_values_(turned_ + words_ * padded_keys_),
      rounded_(paired_values_ + key_words_ * padded_values_) {}

size_t PairedHead::ScratchFloats(const AttentionShape& shape, int64_t most_rows) {
  const int64_t words = WordsOf(shape.head_columns);
  const int64_t rounded =
      most_rows * std::max(PairedLeftSize(shape.head_columns), PairedLeftSize(shape.keys));
  return static_cast<size_t>(words * RoundUp(shape.keys, 16) +
                             WordsOf(shape.keys) * RoundUp(shape.value_columns, 16) +
                             std::max(rounded, kPanel * words));
}

void PairedHead::TakeKeys(const float* keys, int64_t stride) const {
  for (int64_t first = 0; first < shape_.keys; first += kPanel) {
    const int64_t width = std::min(kPanel, padded_keys_ - first);
    const int64_t rows = std::min(width, shape_.keys - first);
    for (int64_t i = 0; i < rows; ++i) {
      MakeWords(keys + (first + i) * stride, shape_.head_columns, rounded_ + i * words_);
    }
    Transpose(rounded_, words_, rows, words_, turned_ + first * words_, width);
  }
}

void PairedHead::Take(const float* keys, int64_t keys_stride, const float* values,
                      int64_t values_stride) {
  TakeKeys(keys, keys_stride);
  for (int64_t key = 0; key < shape_.keys; key += 2) {
    const float* const row = values + key * values_stride;
    PairRows(row, key + 1 < shape_.keys ? row + values_stride : nullptr, shape_.value_columns,
             paired_values_ + key / 2 * padded_values_);
  }
}

void PairedHead::MultiplyKeys(const float* queries, int64_t stride, int64_t rows,
                              float* scores) const {
  const int64_t size = PairedLeftSize(shape_.head_columns);
  for (int64_t r = 0; r < rows; ++r) {
    MakePairedLeft(queries + r * stride, shape_.head_columns, rounded_ + r * size);
  }
  for (int64_t first = 0; first < padded_keys_; first += kPanel) {
    Piece piece;
    piece.width = piece.columns = piece.weights_stride = std::min(kPanel, padded_keys_ - first);
    piece.weights = turned_ + first * words_;
    Multiply(rounded_, size, rows, piece, words_, scores + first, padded_keys_);
  }
}

void PairedHead::MultiplyValues(const float* weights, int64_t rows, float* result,
                                int64_t stride) const {
  const int64_t size = PairedLeftSize(shape_.keys);
  for (int64_t r = 0; r < rows; ++r) {
    MakePairedLeft(weights + r * padded_keys_, shape_.keys, rounded_ + r * size);
  }
  for (int64_t first = 0; first < shape_.value_columns; first += kPanel) {
    Piece piece;
    piece.columns = std::min(kPanel, shape_.value_columns - first);
    piece.width = RoundUp(piece.columns, 16);
    piece.weights = paired_values_ + first;
    piece.weights_stride = padded_values_;
    Multiply(rounded_, size, rows, piece, key_words_, result + first, stride);
  }
}

}  // namespace ephemeralml::engine::panels
