#pragma once
// Exact products of integers of up to nine bits: matrices are widened to 16 bits with their zero
// points taken away, and multiplied row by row, so that sums are what 32-bit arithmetic gives on
// every processor.

#include <cstdint>
#include <span>

#include "enclave/engine/kernels/quantization.h"

namespace ephemeralml::engine::kernels {

/// Rows of 16-bit elements, each filled up with zeros to `stride`, a multiple of kRowPadding.
struct IntegerRows {
  static constexpr int64_t kRowPadding = 16;

  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;
  ArenaBlock block;

  /// Zeroed. Errors: kOverLimit `size_overflow`, `session_memory_exceeded`.
  static Result<IntegerRows> Create(Arena& arena, int64_t rows, int64_t columns);

  int16_t* Row(int64_t row) {
    return reinterpret_cast<int16_t*>(block.bytes().data()) + row * stride;
  }
  const int16_t* Row(int64_t row) const {
    return reinterpret_cast<const int16_t*>(block.bytes().data()) + row * stride;
  }
};

/// Zero points of an operand's rows: one for all, or as many as there are rows, over and over.
struct ZeroPoints {
  std::span<const int32_t> values;

  int32_t At(int64_t row) const {
    return values.empty() ? 0 : values[static_cast<size_t>(row) % values.size()];
  }
};

/// Rows [begin, end) of `target` become those of the row-major matrix [target.rows, target.columns]
/// minus their zero points, of which the first is `first_zero`'s. T is int8_t or uint8_t.
template <class T>
void WidenRows(const T* matrix, const ZeroPoints& zero_points, int64_t first_zero, int64_t begin,
               int64_t end, IntegerRows& target);
/// As WidenRows, of the columns of a matrix [target.columns, target.rows].
template <class T>
void WidenColumns(const T* matrix, const ZeroPoints& zero_points, int64_t first_zero, int64_t begin,
                  int64_t end, IntegerRows& target);

/// What MultiplyRows computes of its result.
struct ProductPart {
  int64_t first_row = 0;
  int64_t last_row = 0;
  int64_t first_column = 0;
  int64_t last_column = 0;
};

/// out[row * row_step + column] = the sum over a's row times b's row `column`, modulo 2^32.
void MultiplyRows(const IntegerRows& a, const IntegerRows& b, const ProductPart& part, int32_t* out,
                  int64_t row_step);
/// All of it, shared out among threads. Not from within a parallel region.
void MultiplyRowsOn(Threads& threads, const IntegerRows& a, const IntegerRows& b, int32_t* out,
                    int64_t row_step);

/// Turns sums into quantized elements: `sum * multiplier`, rounded, plus the zero point.
template <class T>
void RequantizeRun(const int32_t* sums, float multiplier, int32_t zero_point, T* y, size_t count);
template <class T>
void RequantizeEach(const int32_t* sums, const float* multipliers, int32_t zero_point, T* y,
                    size_t count);

}  // namespace ephemeralml::engine::kernels
