#include "enclave/engine/panels/pool_pixels.h"

#include <limits>

#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/pool_pixels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// kPixels pixels of one vector of channels: none waits for another.
template <int kPixels, class Combine, class Finish>
HWY_INLINE void FoldSome(const PooledPixels& p, const float* left, float* result, float identity,
                         Combine combine, Finish finish) {
  const Lanes d;
  Vec sums[kPixels];
  EPHEMERAL_UNROLL
  for (int i = 0; i < kPixels; ++i) sums[i] = Broadcast(identity);
  for (int64_t row = 0; row < p.rows; ++row, left += p.left_row) {
    for (int64_t column = 0; column < p.columns; ++column) {
      const float* const tap = left + column * p.left_column;
      EPHEMERAL_UNROLL
      for (int i = 0; i < kPixels; ++i) {
        sums[i] = combine(sums[i], hn::LoadU(d, tap + i * p.left_step));
      }
    }
  }
  EPHEMERAL_UNROLL
  for (int i = 0; i < kPixels; ++i) hn::StoreU(finish(sums[i]), d, result + i * 16);
}

template <class Combine, class Finish>
HWY_INLINE void Fold(const PooledPixels& p, float identity, Combine combine, Finish finish) {
  constexpr int kTogether = 4;
  for (int64_t lane = 0; lane < 16; lane += kLanes) {
    const float* left = p.left + lane;
    float* result = p.result + lane;
    int64_t rest = p.pixels;
    for (; rest >= kTogether; rest -= kTogether) {
      FoldSome<kTogether>(p, left, result, identity, combine, finish);
      left += kTogether * p.left_step;
      result += kTogether * 16;
    }
    for (; rest > 0; --rest, left += p.left_step, result += 16) {
      FoldSome<1>(p, left, result, identity, combine, finish);
    }
  }
}

void Maximum(const PooledPixels& pixels) {
  Fold(
      pixels, std::numeric_limits<float>::lowest(),
      [](Vec most, Vec x) { return hn::IfThenElse(hn::Gt(x, most), x, most); },
      [](Vec most) { return most; });
}

void Mean(const PooledPixels& pixels, float divisor) {
  const Vec by = Broadcast(divisor);
  Fold(
      pixels, 0, [](Vec sum, Vec x) { return hn::Add(sum, x); },
      [by](Vec sum) { return hn::Div(sum, by); });
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Maximum);
HWY_EXPORT(Mean);

void MaximumOfTaps(const PooledPixels& pixels) { HWY_DYNAMIC_DISPATCH(Maximum)(pixels); }

void MeanOfTaps(const PooledPixels& pixels, float divisor) {
  HWY_DYNAMIC_DISPATCH(Mean)(pixels, divisor);
}

}  // namespace ephemeralml::engine::panels
#endif
