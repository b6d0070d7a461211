#pragma once
// Sums and maxima over a run, in 16 lanes side by side: vector code without letting the compiler
// reorder arithmetic, and a sixteenth of a plain loop's rounding error.

#include <algorithm>
#include <array>
#include <cstddef>

namespace ephemeralml::engine::kernels {

inline constexpr size_t kLanes = 16;

/// `combine` over `map(values[i])`, beginning with `identity`, which `combine` must leave without
/// effect. Inlined into its caller, which may be compiled for several processors.
template <class Total, class T, class MapFunction, class Combine>
[[gnu::always_inline]] inline Total FoldLanes(const T* values, size_t count, Total identity,
                                              MapFunction map, Combine combine) {
  std::array<Total, kLanes> lanes;
  for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = identity;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = combine(lanes[lane], map(values[i + lane]));
    }
  }
  for (size_t lane = 0; i < count; ++i, ++lane) lanes[lane] = combine(lanes[lane], map(values[i]));
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) {
      lanes[lane] = combine(lanes[lane], lanes[lane + width]);
    }
  }
  return lanes[0];
}

/// The sum of `map(values[i])`.
template <class T, class MapFunction>
[[gnu::always_inline]] inline T SumLanes(const T* values, size_t count, MapFunction map) {
  return FoldLanes(values, count, T{0}, map, [](T a, T b) { return a + b; });
}

/// How many rows of `row_elements` a thread takes at least.
inline size_t RowGrain(size_t row_elements) {
  return std::max<size_t>(16 * 1024 / std::max<size_t>(row_elements, 1), 1);
}

}  // namespace ephemeralml::engine::kernels
