#pragma once
// Products in bfloat16: a piece's words hold two steps of a sum, the earlier one in the lower half.
// They are multiplied by AVX512_BF16's instruction where the processor has it and is faster by it,
// and elsewhere as floats, with the same results: every product is exact in float32, and sums are
// rounded step by step, the later step of a word first. (Where a sum is smaller than a normal
// number, the instruction makes it zero.) Nothing here opens, wipes, allocates or fails.

#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::panels {

/// Floats, or words as large, that `steps` steps of a row of the left operand take for
/// MultiplyPairs.
int64_t PairedLeftSize(int64_t steps);

/// Makes a row of a left operand: rounds to the nearest bfloat16, ties to even; what is smaller
/// than a normal number becomes zero. Fills PairedLeftSize(steps), with zeros past the last step.
void MakePairedLeft(const float* from, int64_t steps, float* to);

/// Makes words of `count` columns of two steps of a right operand, rounded likewise. `second` null:
/// there is no later step.
void PairRows(const float* first, const float* second, int64_t count, float* to);

/// As MultiplyPiece, the left operand made by MakePairedLeft, the weights words; offset and steps
/// of the piece's segments count words.
void MultiplyPairs(const Piece& piece, const Strides& strides, const Rows& rows,
                   const Epilogue& epilogue, Upcoming& upcoming);

}  // namespace ephemeralml::engine::panels
