#pragma once
// The two ways to multiply in bfloat16 that pair_tile.h chooses between. Private to this module.

#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::panels {

/// Rows of the tallest tile: what leaves registers for weights of 64 columns.
inline constexpr int64_t kTallestPairTile = 6;

/// True if the processor has AVX512_BF16.
bool HasPairInstruction();

/// MultiplyPairs by the instruction, a bug without it: the left operand is of words, as MakeWords
/// makes them.
void MultiplyByInstruction(const Piece& piece, const Strides& strides, const Rows& rows,
                           const Epilogue& epilogue, Upcoming& upcoming);

/// A row of words, rounded by the processor's own instruction where it has one; each way is right.
void MakeWords(const float* from, int64_t steps, float* to);
void MakeWordsByInstruction(const float* from, int64_t steps, float* to);
void MakeWordsByBits(const float* from, int64_t steps, float* to);

/// MultiplyPairs on any processor: the left operand is of floats, as MakeRounded makes them.
void MultiplyAsFloats(const Piece& piece, const Strides& strides, const Rows& rows,
                      const Epilogue& epilogue, Upcoming& upcoming);
void MakeRounded(const float* from, int64_t steps, float* to);

/// Rows [row, row + its height) of a product that is cut into tiles of nearly equal height.
inline Rows PairTileAt(const Strides& strides, const Rows& rows, int64_t row) {
  const int64_t left = rows.count - row;
  const int64_t tiles = (left + kTallestPairTile - 1) / kTallestPairTile;
  return {rows.left + row * strides.left, rows.result + row * strides.result,
          rows.residual == nullptr ? nullptr : rows.residual + row * strides.result,
          (left + tiles - 1) / tiles};
}

}  // namespace ephemeralml::engine::panels
