#include "enclave/engine/panels/filter_plane.h"

#include <array>
#include <utility>

#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/filter_plane.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// Of a pixel.
inline constexpr int64_t kChannels = 16;
// As many sums as leave registers for a weight and what is multiplied with it.
inline constexpr int64_t kMostPixels = kLanes == 16 ? 14 : 8;
// A line of fewer pixels is worth turning into a column of more.
inline constexpr int64_t kPixelsAtOnce = 4;

// The part of a plane for which the same taps lie on the input.
struct Rectangle {
  int64_t tap_rows;
  int64_t tap_columns;
  const float* weights;  // of the first of these taps
  const float* left;     // what it meets for the first pixel
  int64_t left_step;
  int64_t left_line;
  float* result;
  int64_t result_step;
  int64_t result_line;
  int64_t pixels;  // of a line
  int64_t lines;
};

Rectangle At(const FilteredPlane& plane, const FilterRun& lines, const FilterRun& columns) {
  const bool has_taps = lines.taps > 0 && columns.taps > 0;
  const int64_t first_weight =
      lines.first_tap * plane.weights_row + columns.first_tap * plane.weights_column;
  Rectangle r = {
      .tap_rows = has_taps ? lines.taps : 0,
      .tap_columns = columns.taps,
      .weights = plane.weights + (has_taps ? first_weight : 0),
      .left = plane.left + (has_taps ? lines.left + columns.left : 0),
      .left_step = plane.left_step,
      .left_line = plane.left_line,
      .result = plane.result + lines.first * plane.result_line + columns.first * plane.result_step,
      .result_step = plane.result_step,
      .result_line = plane.result_line,
      .pixels = columns.count,
      .lines = lines.count};
  if (r.pixels < r.lines && r.pixels < kPixelsAtOnce) {
    std::swap(r.pixels, r.lines);
    std::swap(r.left_step, r.left_line);
    std::swap(r.result_step, r.result_line);
  }
  return r;
}

// kPixels pixels of one vector of channels. kStep: distance between what neighbouring pixels meet,
// 0 for any; of others than 0 the results lie side by side. Addresses are then part of
// instructions, where they would take longer to come by than what they are for.
template <int kPixels, int64_t kStep>
void FilterPixels(const FilteredPlane& plane, const Rectangle& r, const float* left, float* result,
                  int64_t lane) {
  const Lanes d;
  Vec sums[kPixels];
  const Vec bias = plane.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, plane.bias + lane);
  EPHEMERAL_UNROLL
  for (int p = 0; p < kPixels; ++p) sums[p] = bias;
  const float* weights = r.weights + lane;
  const int64_t step = kStep == 0 ? r.left_step : kStep;
  const int64_t tap_columns = r.tap_columns;
  const int64_t left_column = plane.left_column;
  const int64_t weights_column = plane.weights_column;
  for (int64_t row = 0; row < r.tap_rows; ++row) {
    const float* x = left;
    const float* w = weights;
    for (int64_t column = 0; column < tap_columns; ++column) {
      const Vec weight = hn::LoadU(d, w);
      EPHEMERAL_UNROLL
      for (int p = 0; p < kPixels; ++p) {
        sums[p] = hn::MulAdd(weight, hn::LoadU(d, x + p * step), sums[p]);
      }
      x += left_column;
      w += weights_column;
    }
    left += plane.left_row;
    weights += plane.weights_row;
  }
  if (plane.scale != 1 || plane.shift != 0) {
    const Vec scale = Broadcast(plane.scale);
    const Vec shift = Broadcast(plane.shift);
    EPHEMERAL_UNROLL
    for (int p = 0; p < kPixels; ++p) sums[p] = hn::Add(hn::Mul(sums[p], scale), shift);
  }
  if (plane.bounds.is_bounded) {
    const Vec low = Broadcast(plane.bounds.low);
    const Vec high = Broadcast(plane.bounds.high);
    EPHEMERAL_UNROLL
    for (int p = 0; p < kPixels; ++p) sums[p] = Bounded(sums[p], low, high);
  }
  // A store might change what a reference refers to.
  const int64_t result_step = kStep == 0 ? r.result_step : kChannels;
  EPHEMERAL_UNROLL
  for (int p = 0; p < kPixels; ++p) hn::StoreU(sums[p], d, result + p * result_step);
}

using FilterFunction = void (*)(const FilteredPlane&, const Rectangle&, const float*, float*,
                                int64_t);

// By pixels, from one on.
using Filters = std::array<FilterFunction, kMostPixels>;

template <int64_t kStep, int... kPixels>
constexpr Filters FiltersOf(std::integer_sequence<int, kPixels...> /*pixels*/) {
  return {FilterPixels<kPixels + 1, kStep>...};
}

template <int64_t kStep>
constexpr Filters kFiltersOf = FiltersOf<kStep>(std::make_integer_sequence<int, kMostPixels>());

const Filters& FiltersFor(const Rectangle& r) {
  if (r.result_step == kChannels && r.left_step == kChannels) return kFiltersOf<kChannels>;
  if (r.result_step == kChannels && r.left_step == 2 * kChannels) return kFiltersOf<2 * kChannels>;
  return kFiltersOf<0>;
}

void FilterRectangle(const FilteredPlane& plane, const Rectangle& r) {
  const Filters& filters = FiltersFor(r);
  for (int64_t line = 0; line < r.lines; ++line) {
    for (int64_t lane = 0; lane < kChannels; lane += kLanes) {
      const float* left = r.left + line * r.left_line + lane;
      float* result = r.result + line * r.result_line + lane;
      for (int64_t rest = r.pixels; rest > 0;) {
        // As few times as can be, all about as many: few pixels at once are slow.
        const int64_t times = (rest + kMostPixels - 1) / kMostPixels;
        const int64_t pixels = (rest + times - 1) / times;
        filters[static_cast<size_t>(pixels - 1)](plane, r, left, result, lane);
        left += pixels * r.left_step;
        result += pixels * r.result_step;
        rest -= pixels;
      }
    }
  }
}

void Filter(const FilteredPlane& plane) {
  for (const FilterRun& lines : plane.lines) {
    for (const FilterRun& columns : plane.columns) {
      FilterRectangle(plane, At(plane, lines, columns));
    }
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Filter);

void FilterPlane(const FilteredPlane& plane) { HWY_DYNAMIC_DISPATCH(Filter)(plane); }

}  // namespace ephemeralml::engine::panels
#endif
