#include <type_traits>

#include "enclave/engine/panels/panel_tile.h"
#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/filter_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// kPixels pixels of one vector of channels.
template <int kPixels>
HWY_INLINE void FilterSome(const FilteredPixels& f, const float* left, float* result,
                           int64_t lane) {
  const Lanes d;
  Vec sums[kPixels];
  const Vec bias = f.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, f.bias + lane);
  EPHEMERAL_UNROLL
  for (int p = 0; p < kPixels; ++p) sums[p] = bias;
  const float* weights = f.weights + lane;
  for (int64_t r = 0; r < f.rows; ++r) {
    for (int64_t c = 0; c < f.columns; ++c) {
      const Vec w = hn::LoadU(d, weights + c * f.weights_column);
      EPHEMERAL_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        const float* x = left + c * f.left_column + p * f.left_step;
        sums[p] = hn::MulAdd(w, hn::LoadU(d, x), sums[p]);
      }
    }
    left += f.left_row;
    weights += f.weights_row;
  }
  if (f.scale != 1 || f.shift != 0) {
    const Vec scale = Broadcast(f.scale);
    const Vec shift = Broadcast(f.shift);
    EPHEMERAL_UNROLL
    for (int p = 0; p < kPixels; ++p) sums[p] = hn::Add(hn::Mul(sums[p], scale), shift);
  }
  if (f.bounds.is_bounded) {
    const Vec low = Broadcast(f.bounds.low);
    const Vec high = Broadcast(f.bounds.high);
    EPHEMERAL_UNROLL
    for (int p = 0; p < kPixels; ++p) sums[p] = Bounded(sums[p], low, high);
  }
  EPHEMERAL_UNROLL
  for (int p = 0; p < kPixels; ++p) hn::StoreU(sums[p], d, result + p * f.result_step);
}

void Filter(const FilteredPixels& f) {
  for (int64_t line = 0; line < f.lines; ++line) {
    for (int64_t lane = 0; lane < 16; lane += kLanes) {
      const float* left = f.left + line * f.left_line + lane;
      float* result = f.result + line * f.result_line + lane;
      const auto filter = [&]<int kPixels>(std::integral_constant<int, kPixels>) {
        FilterSome<kPixels>(f, left, result, lane);
        left += kPixels * f.left_step;
        result += kPixels * f.result_step;
      };
      int64_t rest = f.pixels;
      for (; rest >= 8; rest -= 8) filter(std::integral_constant<int, 8>());
      for (; rest >= 4; rest -= 4) filter(std::integral_constant<int, 4>());
      for (; rest > 0; --rest) filter(std::integral_constant<int, 1>());
    }
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Filter);

void ApplyFilters(const FilteredPixels& pixels) { HWY_DYNAMIC_DISPATCH(Filter)(pixels); }

}  // namespace ephemeralml::engine::panels
#endif
