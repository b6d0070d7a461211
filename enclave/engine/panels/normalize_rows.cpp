#include "enclave/engine/panels/normalize_rows.h"

#include <cmath>

#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/normalize_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// The sum of `of` over a row. Several sums at once: an addition takes longer than a load.
template <class Function>
HWY_INLINE float SumOver(const float* x, int64_t count, Function of) {
  constexpr int64_t kSums = 4;
  const Lanes d;
  Vec sums[kSums];
  for (Vec& sum : sums) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kSums * kLanes <= count; i += kSums * kLanes) {
    EPHEMERAL_UNROLL
    for (int64_t s = 0; s < kSums; ++s) {
      sums[s] = hn::Add(sums[s], of(hn::LoadU(d, x + i + s * kLanes)));
    }
  }
  for (; i + kLanes <= count; i += kLanes) sums[0] = hn::Add(sums[0], of(hn::LoadU(d, x + i)));
  if (i < count) {
    const auto rest = hn::FirstN(d, static_cast<size_t>(count - i));
    sums[1] = hn::Add(sums[1], hn::IfThenElseZero(rest, of(LoadFirst(x + i, count - i))));
  }
  const Vec all = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
  return hn::GetLane(hn::SumOfLanes(d, all));
}

RowMoments Normalize(const float* x, const float* scale, const float* bias, float* y, int64_t count,
                     float epsilon) {
  const Lanes d;
  const auto size = static_cast<float>(count);
  const float average = SumOver(x, count, [](Vec v) { return v; }) / size;
  const Vec mean = Broadcast(average);
  const float squares = SumOver(x, count, [mean](Vec v) {
    const Vec off = hn::Sub(v, mean);
    return hn::Mul(off, off);
  });
  const float inverse = 1 / std::sqrt(squares / size + epsilon);
  const Vec factor = Broadcast(inverse);
  const auto normalize = [&](Vec v, Vec s, Vec b) {
    return hn::Add(hn::Mul(hn::Mul(hn::Sub(v, mean), factor), s), b);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec b = bias == nullptr ? hn::Zero(d) : hn::LoadU(d, bias + i);
    hn::StoreU(normalize(hn::LoadU(d, x + i), hn::LoadU(d, scale + i), b), d, y + i);
  }
  if (i < count) {
    const int64_t rest = count - i;
    const Vec b = bias == nullptr ? hn::Zero(d) : LoadFirst(bias + i, rest);
    StoreFirst(normalize(LoadFirst(x + i, rest), LoadFirst(scale + i, rest), b), y + i, rest);
  }
  return {average, inverse};
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Normalize);

RowMoments NormalizeRow(const float* x, const float* scale, const float* bias, float* y,
                        int64_t count, float epsilon) {
  return HWY_DYNAMIC_DISPATCH(Normalize)(x, scale, bias, y, count, epsilon);
}

}  // namespace ephemeralml::engine::panels
#endif
