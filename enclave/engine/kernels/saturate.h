#pragma once
// Floating-point numbers as integers, which C++ leaves undefined where they don't fit.

#include <limits>

namespace ephemeralml::engine::kernels {

/// The integer without the fraction; the nearest end of the type's range for what lies beyond it,
/// and 0 for what is no number.
template <class To, class From>
To Saturated(From value) {
  // The ends as From holds them: the upper one may have been rounded up, out of the range.
  constexpr auto kLow = static_cast<From>(std::numeric_limits<To>::min());
  constexpr auto kHigh = static_cast<From>(std::numeric_limits<To>::max());
  if (value >= kHigh) return std::numeric_limits<To>::max();
  if (value <= kLow) return std::numeric_limits<To>::min();
  return value == value ? static_cast<To>(value) : To{0};
}

}  // namespace ephemeralml::engine::kernels
