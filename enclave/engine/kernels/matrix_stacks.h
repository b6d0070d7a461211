#pragma once
// Stacks of matrices that are multiplied pair by pair, as NumPy's matmul does it.

#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

/// One matrix product out of a stack: where its operands and its result begin, in elements.
struct Place {
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
};

struct Stacks {
  Shape a;  ///< of the stack, without the matrix's two axes
  Shape b;
  Shape c;
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  Shape output;
};

/// NumPy's rules: an operand with one axis is a row (A) or a column (B), and its axis goes.
/// Errors: kMalformed `shape_invalid`.
Result<Stacks> ReadStacks(const Shape& a, const Shape& b);

/// The first `count` products of the stack.
std::vector<Place> Places(const Stacks& stacks, int64_t count);

}  // namespace ephemeralml::engine::kernels
