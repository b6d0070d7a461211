#include "enclave/engine/kernels/integer_product.h"

#include <algorithm>

#include "common/base/checked.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

// So many products of two numbers of nine bits fit into 31 bits.
constexpr int64_t kLongestSum = 32 * 1024;
// Rows of b that one pass over a's row meets.
constexpr int64_t kTile = 4;
// Rows that are transposed at a time, so that what they touch stays in the cache.
constexpr int64_t kBlock = 32;
// Products that a thread takes at least.
constexpr int64_t kGrain = 256 * 1024;

EPHEMERAL_MULTIVERSION void DotFour(const int16_t* a, const int16_t* b, int64_t stride,
                                    int64_t count, int32_t* sums) {
  const int16_t* second = b + stride;
  const int16_t* third = second + stride;
  const int16_t* fourth = third + stride;
  int32_t sum0 = 0;
  int32_t sum1 = 0;
  int32_t sum2 = 0;
  int32_t sum3 = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum0 += int32_t{a[i]} * int32_t{b[i]};
    sum1 += int32_t{a[i]} * int32_t{second[i]};
    sum2 += int32_t{a[i]} * int32_t{third[i]};
    sum3 += int32_t{a[i]} * int32_t{fourth[i]};
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

EPHEMERAL_MULTIVERSION int32_t DotOne(const int16_t* a, const int16_t* b, int64_t count) {
  int32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += int32_t{a[i]} * int32_t{b[i]};
  return sum;
}

void Add(int32_t sum, int32_t& total) {
  total = static_cast<int32_t>(static_cast<uint32_t>(total) + static_cast<uint32_t>(sum));
}

// Elements [begin, begin + count) of one row of a with rows [first, last) of b.
void MultiplyRow(const int16_t* a, const IntegerRows& b, const ProductPart& part, int64_t begin,
                 int64_t count, int32_t* out) {
  int64_t row = part.first_column;
  for (; row + kTile <= part.last_column; row += kTile) {
    int32_t sums[kTile];
    DotFour(a + begin, b.Row(row) + begin, b.stride, count, sums);
    for (int64_t i = 0; i < kTile; ++i) Add(sums[i], out[row + i]);
  }
  for (; row < part.last_column; ++row) {
    Add(DotOne(a + begin, b.Row(row) + begin, count), out[row]);
  }
}

}  // namespace

Result<IntegerRows> IntegerRows::Create(Arena& arena, int64_t rows, int64_t columns) {
  IntegerRows made{.rows = rows, .columns = columns, .stride = 0, .block = {}};
  TRY(const int64_t padded, CheckedAdd(columns, kRowPadding - 1));
  made.stride = padded / kRowPadding * kRowPadding;
  TRY(const int64_t elements, CheckedMultiply(rows, made.stride));
  TRY(const int64_t bytes, CheckedMultiply(elements, int64_t{sizeof(int16_t)}));
  TRY(made.block, arena.Allocate(static_cast<size_t>(bytes)));
  return made;
}

template <class T>
EPHEMERAL_MULTIVERSION void WidenRows(const T* matrix, const ZeroPoints& zero_points,
                                      int64_t first_zero, int64_t begin, int64_t end,
                                      IntegerRows& target) {
  for (int64_t row = begin; row < end; ++row) {
    const T* source = matrix + row * target.columns;
    int16_t* wide = target.Row(row);
    const int32_t zero = zero_points.At(first_zero + row);
    for (int64_t i = 0; i < target.columns; ++i) wide[i] = static_cast<int16_t>(source[i] - zero);
  }
}

template <class T>
void WidenColumns(const T* matrix, const ZeroPoints& zero_points, int64_t first_zero, int64_t begin,
                  int64_t end, IntegerRows& target) {
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t last = std::min(first + kBlock, end);
    for (int64_t i = 0; i < target.columns; ++i) {
      const T* source = matrix + i * target.rows;
      for (int64_t row = first; row < last; ++row) {
        target.Row(row)[i] = static_cast<int16_t>(source[row] - zero_points.At(first_zero + row));
      }
    }
  }
}

void MultiplyRows(const IntegerRows& a, const IntegerRows& b, const ProductPart& part, int32_t* out,
                  int64_t row_step) {
  CHECK(a.stride == b.stride);
  for (int64_t row = part.first_row; row < part.last_row; ++row) {
    int32_t* target = out + row * row_step;
    std::fill(target + part.first_column, target + part.last_column, 0);
    for (int64_t at = 0; at < a.stride; at += kLongestSum) {
      MultiplyRow(a.Row(row), b, part, at, std::min(kLongestSum, a.stride - at), target);
    }
  }
}

void MultiplyRowsOn(Threads& threads, const IntegerRows& a, const IntegerRows& b, int32_t* out,
                    int64_t row_step) {
  const bool by_row = a.rows >= b.rows;
  const auto count = static_cast<size_t>(by_row ? a.rows : b.rows);
  const int64_t work = std::max<int64_t>(a.stride * (by_row ? b.rows : a.rows), 1);
  threads.ParallelFor(count, static_cast<size_t>(kGrain / work + 1), [&](size_t begin, size_t end) {
    const auto first = static_cast<int64_t>(begin);
    const auto last = static_cast<int64_t>(end);
    const ProductPart part =
        by_row ? ProductPart{first, last, 0, b.rows} : ProductPart{0, a.rows, first, last};
    MultiplyRows(a, b, part, out, row_step);
  });
}

template <class T>
EPHEMERAL_MULTIVERSION void RequantizeRun(const int32_t* sums, float multiplier, int32_t zero_point,
                                          T* y, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    y[i] = Saturate<T>(static_cast<float>(sums[i]) * multiplier, zero_point);
  }
}

template <class T>
EPHEMERAL_MULTIVERSION void RequantizeEach(const int32_t* sums, const float* multipliers,
                                           int32_t zero_point, T* y, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    y[i] = Saturate<T>(static_cast<float>(sums[i]) * multipliers[i], zero_point);
  }
}

template void WidenRows(const int8_t*, const ZeroPoints&, int64_t, int64_t, int64_t, IntegerRows&);
template void WidenRows(const uint8_t*, const ZeroPoints&, int64_t, int64_t, int64_t, IntegerRows&);
template void WidenColumns(const int8_t*, const ZeroPoints&, int64_t, int64_t, int64_t,
                           IntegerRows&);
template void WidenColumns(const uint8_t*, const ZeroPoints&, int64_t, int64_t, int64_t,
                           IntegerRows&);
template void RequantizeRun(const int32_t*, float, int32_t, int8_t*, size_t);
template void RequantizeRun(const int32_t*, float, int32_t, uint8_t*, size_t);
template void RequantizeEach(const int32_t*, const float*, int32_t, int8_t*, size_t);
template void RequantizeEach(const int32_t*, const float*, int32_t, uint8_t*, size_t);

}  // namespace ephemeralml::engine::kernels
