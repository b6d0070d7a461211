#pragma once
// The two 16-bit floating-point types, as stored: conversions to and from float, nothing else.

#include <bit>
#include <cmath>
#include <cstdint>

#include "enclave/engine/base/tensor.h"

namespace ephemeralml::engine {

/// IEEE 754 binary16.
struct Half {
  uint16_t bits = 0;

  static Half From(float value) {
    const auto word = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint16_t>((word >> 16) & 0x8000u);
    const uint32_t magnitude = word & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
    if (magnitude >= 0x47800000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
    if (magnitude < 0x38800000u) {
      // Denormal in binary16: adding 0.5 leaves the result, rounded to 2^-24, in the low bits.
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u))};
    }
    // To nearest, ties to even; a carry out of the mantissa runs into the exponent as it should.
    const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    return {static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
  }

  float ToFloat() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fffu) << 13;
    if (magnitude >= 0x0f800000u) return std::bit_cast<float>(sign | magnitude | 0x7f800000u);
    // Re-biasing the exponent by a product handles denormals too.
    const float value = std::bit_cast<float>(magnitude) * 0x1p+112f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
};

/// The upper half of a binary32.
struct Bfloat16 {
  uint16_t bits = 0;

  static Bfloat16 From(float value) {
    const auto word = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) return {static_cast<uint16_t>((word >> 16) | 0x40u)};
    return {static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16)};
  }

  float ToFloat() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

/// The float whose conversion to a narrower type gives what `value`'s own would: inexact values are
/// rounded to odd, so that rounding twice does no harm.
inline float RoundToOdd(double value) {
  const auto nearest = static_cast<float>(value);
  const auto back = static_cast<double>(nearest);
  if (back == value || std::isnan(value) || std::isinf(nearest)) return nearest;
  if ((std::bit_cast<uint32_t>(nearest) & 1u) != 0) return nearest;
  return std::nextafterf(nearest, back < value ? HUGE_VALF : -HUGE_VALF);
}

template <>
constexpr ElementType TypeOf<Half>() {
  return ElementType::kFloat16;
}
template <>
constexpr ElementType TypeOf<Bfloat16>() {
  return ElementType::kBfloat16;
}

}  // namespace ephemeralml::engine
