#include "enclave/engine/panels/attention_rows.h"

#include <limits>

#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/attention_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
inline constexpr int64_t kSquare = 1;
HWY_INLINE void TransposeSquare(const float* from, int64_t, float* to, int64_t) { *to = *from; }
#else
inline constexpr int64_t kSquare = 4;
// Four by four elements: every vector unit has vectors of four floats.
HWY_INLINE void TransposeSquare(const float* from, int64_t from_stride, float* to,
                                int64_t to_stride) {
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<double, 2> pairs;
  const auto r0 = hn::LoadU(d, from);
  const auto r1 = hn::LoadU(d, from + from_stride);
  const auto r2 = hn::LoadU(d, from + 2 * from_stride);
  const auto r3 = hn::LoadU(d, from + 3 * from_stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * to_stride);
}
#endif

void TransposeMatrix(const float* from, int64_t from_stride, int64_t rows, int64_t columns,
                     float* to, int64_t to_stride) {
  const int64_t whole_rows = rows / kSquare * kSquare;
  const int64_t whole_columns = columns / kSquare * kSquare;
  for (int64_t row = 0; row < whole_rows; row += kSquare) {
    for (int64_t column = 0; column < whole_columns; column += kSquare) {
      TransposeSquare(from + row * from_stride + column, from_stride, to + column * to_stride + row,
                      to_stride);
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = row < whole_rows ? whole_columns : 0; column < columns; ++column) {
      to[column * to_stride + row] = from[row * from_stride + column];
    }
  }
}

RowSum Exponentiate(float* scores, int64_t count, float scale, const float* mask) {
  const Lanes d;
  const int64_t whole = count / kLanes * kLanes;
  const auto rest = hn::FirstN(d, static_cast<size_t>(count - whole));
  const Vec lowest = Broadcast(std::numeric_limits<float>::lowest());
  const Vec factor = Broadcast(scale);
  const auto masked = [&](Vec x, Vec m) { return hn::MulAdd(x, factor, m); };
  Vec most = lowest;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec m = mask == nullptr ? hn::Zero(d) : hn::LoadU(d, mask + i);
    const Vec x = masked(hn::LoadU(d, scores + i), m);
    hn::StoreU(x, d, scores + i);
    most = hn::Max(most, x);
  }
  if (whole < count) {
    const Vec m = mask == nullptr ? hn::Zero(d) : LoadFirst(mask + whole, count - whole);
    const Vec x = masked(LoadFirst(scores + whole, count - whole), m);
    StoreFirst(x, scores + whole, count - whole);
    most = hn::Max(most, hn::IfThenElse(rest, x, lowest));
  }
  most = hn::MaxOfLanes(d, most);
  Vec sum = hn::Zero(d);
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec power = Exp(hn::Sub(hn::LoadU(d, scores + i), most));
    hn::StoreU(power, d, scores + i);
    sum = hn::Add(sum, power);
  }
  if (whole < count) {
    const Vec power = Exp(hn::Sub(LoadFirst(scores + whole, count - whole), most));
    StoreFirst(power, scores + whole, count - whole);
    sum = hn::Add(sum, hn::IfThenElseZero(rest, power));
  }
  return {hn::GetLane(most), hn::GetLane(hn::SumOfLanes(d, sum))};
}

void Divide(float* values, int64_t stride, int64_t columns, const float* sums, int64_t rows) {
  const Lanes d;
  for (int64_t row = 0; row < rows; ++row, values += stride) {
    const float factor = sums[row] == 0 ? 0 : 1.0f / sums[row];
    const Vec by = Broadcast(factor);
    int64_t i = 0;
    for (; i + kLanes <= columns; i += kLanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, values + i), by), d, values + i);
    }
    for (; i < columns; ++i) values[i] *= factor;
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(TransposeMatrix);
HWY_EXPORT(Exponentiate);
HWY_EXPORT(Divide);

void Transpose(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
               int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeMatrix)(from, from_stride, rows, columns, to, to_stride);
}

RowSum ExponentiateRow(float* scores, int64_t count, float scale, const float* mask) {
  return HWY_DYNAMIC_DISPATCH(Exponentiate)(scores, count, scale, mask);
}

void DivideRows(float* values, int64_t stride, int64_t columns, const float* sums, int64_t rows) {
  HWY_DYNAMIC_DISPATCH(Divide)(values, stride, columns, sums, rows);
}

}  // namespace ephemeralml::engine::panels
#endif
