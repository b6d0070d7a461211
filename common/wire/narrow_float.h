#pragma once
// Floating-point types of sixteen bits and less, as bits: one table says how each divides its own,
// and one pair of functions converts by it.

#include <array>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "common/wire/data_type.h"

namespace ephemeralml::wire {

/// What the largest magnitudes of a format stand for.
enum class Specials : uint8_t {
  kInfinities,    ///< the highest exponent: infinity, and numbers that are none
  kOneNan,        ///< all ones: no number
  kNegativeZero,  ///< minus zero: no number; there is no other one, and no minus zero
  kNone           ///< all are numbers
};

/// How a type divides its bits: sign (the highest), exponent, fraction. An exponent of zero means a
/// fraction without a leading one; float8e8m0 alone has neither sign nor zero.
struct NarrowFloat {
  int exponent_bits = 0;
  int fraction_bits = 0;
  int bias = 0;
  Specials specials = Specials::kNone;
  bool is_exponent = false;  ///< float8e8m0

  constexpr int SignBit() const { return 1 << (exponent_bits + fraction_bits); }
  /// The code of the largest finite number.
  constexpr int Largest() const {
    const int all = (1 << (exponent_bits + fraction_bits)) - 1;
    if (specials == Specials::kInfinities) return all - (1 << fraction_bits);
    return specials == Specials::kOneNan ? all - 1 : all;
  }
};

/// Source: IEEE 754; ONNX's documentation, "Float stored in 8 bits" and "Float stored in 4 bits";
/// OCP Microscaling Formats 1.0, section 5.4 (E8M0).
inline constexpr NarrowFloat kHalf = {5, 10, 15, Specials::kInfinities};
inline constexpr NarrowFloat kBfloat = {8, 7, 127, Specials::kInfinities};
inline constexpr NarrowFloat kE4M3FN = {4, 3, 7, Specials::kOneNan};
inline constexpr NarrowFloat kE4M3FNUZ = {4, 3, 8, Specials::kNegativeZero};
inline constexpr NarrowFloat kE5M2 = {5, 2, 15, Specials::kInfinities};
inline constexpr NarrowFloat kE5M2FNUZ = {5, 2, 16, Specials::kNegativeZero};
inline constexpr NarrowFloat kE2M1 = {2, 1, 1, Specials::kNone};
inline constexpr NarrowFloat kE8M0 = {8, 0, 127, Specials::kOneNan, true};

/// The format of a type of 16 bits or less. A bug if the type has none.
const NarrowFloat& FormatOf(ElementType type);

/// How numbers become narrower ones, as ONNX's Cast says.
struct Narrowing {
  enum class Power : uint8_t { kUp, kDown, kNearest };

  bool saturate = true;      ///< what is too large for eight bits becomes the largest number
  Power power = Power::kUp;  ///< which power of two float8e8m0 takes
  /// As ONNX's own data of version 24 on: what is too large for a small integer keeps its lower
  /// bits, and what is no number becomes minus zero in float4e2m1. Before, both saturate.
  bool keeps_bits = false;
};

/// The value that `bits` stand for; exact. Bits above the format's own don't count.
float Widen(const NarrowFloat& format, uint16_t bits);

/// The nearest value, ties to even, in float8e8m0 the power of two that `how` says. Without
/// saturation what is too large becomes infinity, where the format has one, or no number.
uint16_t Narrow(const NarrowFloat& format, double value, const Narrowing& how);

/// True if the format has a value that `value` may be rounded to: an infinity for one, a number for
/// a number within its range.
bool Holds(const NarrowFloat& format, double value);

/// Reads and makes the integers of less than eight bits.
struct SmallInteger {
  int bits = 8;
  bool is_signed = false;

  constexpr int Least() const { return is_signed ? -(1 << (bits - 1)) : 0; }
  constexpr int Most() const { return (1 << (is_signed ? bits - 1 : bits)) - 1; }
  /// The number that a byte's lower bits stand for.
  constexpr int Read(uint8_t byte) const {
    const int low = byte & ((1 << bits) - 1);
    return low > Most() ? low - (1 << bits) : low;
  }
  /// The byte of the number that has these lower bits.
  constexpr uint8_t Keep(uint64_t number) const {
    return static_cast<uint8_t>(Read(static_cast<uint8_t>(number)));
  }
  /// The nearest integer, ties to even; what is too large as `how` says, and 0 for no number.
  uint8_t Round(double value, const Narrowing& how) const;
};

/// Of a type of which IsSmallInteger is true.
constexpr SmallInteger SmallIntegerOf(ElementType type) {
  return {ElementBits(type), type == ElementType::kInt4 || type == ElementType::kInt2};
}

/// The values of all bytes of a small float or integer. A bug if the type is neither.
const std::array<float, 256>& ValuesOf(ElementType type);

/// A number as a double; an integer of more bits than that holds is rounded to odd, so that
/// rounding once more does no harm.
template <class T>
double ToDouble(T value) {
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
    constexpr T kHeld = T{1} << std::numeric_limits<double>::digits;
    constexpr T kLost = (T{1} << (64 - std::numeric_limits<double>::digits)) - 1;
    bool is_held = value < kHeld;
    if constexpr (std::is_signed_v<T>) is_held = is_held && value > -kHeld;
    const bool is_exact = is_held || (value & kLost) == 0;
    return static_cast<double>(is_exact ? value : (value & ~kLost) | (kLost + 1));
  } else {
    return static_cast<double>(value);
  }
}

}  // namespace ephemeralml::wire
