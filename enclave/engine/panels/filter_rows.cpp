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
HWY_INLINE void FilterPixels(const FilterRow& row, int64_t pixel, int64_t lane) {
  const Lanes d;
  Vec sums[kPixels];
  const Vec bias = row.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, row.bias + lane);
  EPHEMERAL_UNROLL
  for (int p = 0; p < kPixels; ++p) sums[p] = bias;
  const float* left = row.left + pixel * row.left_step + lane;
  const float* weights = row.weights + lane;
  for (int64_t r = 0; r < row.rows; ++r) {
    for (int64_t c = 0; c < row.columns; ++c) {
      const Vec w = hn::LoadU(d, weights + c * row.weights_column);
      EPHEMERAL_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        const float* x = left + c * row.left_column + p * row.left_step;
        sums[p] = hn::MulAdd(w, hn::LoadU(d, x), sums[p]);
      }
    }
    left += row.left_row;
    weights += row.weights_row;
  }
  if (row.scale != 1 || row.shift != 0) {
    const Vec scale = Broadcast(row.scale);
    const Vec shift = Broadcast(row.shift);
    EPHEMERAL_UNROLL
    for (int p = 0; p < kPixels; ++p) sums[p] = hn::Add(hn::Mul(sums[p], scale), shift);
  }
  if (row.bounds.is_bounded) {
    const Vec low = Broadcast(row.bounds.low);
    const Vec high = Broadcast(row.bounds.high);
    EPHEMERAL_UNROLL
    for (int p = 0; p < kPixels; ++p) sums[p] = Bounded(sums[p], low, high);
  }
  EPHEMERAL_UNROLL
  for (int p = 0; p < kPixels; ++p) {
    hn::StoreU(sums[p], d, row.result + (pixel + p) * 16 + lane);
  }
}

void Filter(const FilterRow& row) {
  for (int64_t lane = 0; lane < 16; lane += kLanes) {
    int64_t pixel = 0;
    for (; pixel + 8 <= row.pixels; pixel += 8) FilterPixels<8>(row, pixel, lane);
    for (; pixel + 4 <= row.pixels; pixel += 4) FilterPixels<4>(row, pixel, lane);
    for (; pixel < row.pixels; ++pixel) FilterPixels<1>(row, pixel, lane);
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Filter);

void ApplyFilters(const FilterRow& row) { HWY_DYNAMIC_DISPATCH(Filter)(row); }

}  // namespace ephemeralml::engine::panels
#endif
