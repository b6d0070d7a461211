#pragma once
// Conversions of the 16-bit floating-point types, which C++20 lacks.

#include <cstdint>

namespace ephemeralml::tensors {

/// How a narrow IEEE-like type divides its bits. Its sign is the highest.
struct NarrowFloat {
  int exponent_bits;
  int fraction_bits;
};

inline constexpr NarrowFloat kHalf = {5, 10};
inline constexpr NarrowFloat kBfloat = {8, 7};

/// The value that `bits` stand for; exact.
float Widen(NarrowFloat format, uint16_t bits);

/// The nearest value, ties to even; infinity if `value` is too large.
uint16_t Narrow(NarrowFloat format, double value);

}  // namespace ephemeralml::tensors
