#include "common/wire/narrow_float.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "common/base/result.h"

namespace ephemeralml::wire {
namespace {

constexpr int kDoubleFraction = 52;
constexpr int kDoubleBias = 1023;
constexpr uint16_t kNoPower = 0xFF;  // float8e8m0's NaN

// Places right of a binary point are rounded off: to nearest, ties to even.
uint64_t ShiftedRight(uint64_t digits, int places) {
  if (places > kDoubleFraction + 1) return 0;
  const uint64_t kept = digits >> places;
  const uint64_t lost = digits - (kept << places);
  const uint64_t half = uint64_t{1} << (places - 1);
  return kept + (lost > half || (lost == half && (kept & 1) != 0) ? 1 : 0);
}

uint16_t NotANumber(const NarrowFloat& format, uint16_t sign, const Narrowing& how) {
  switch (format.specials) {
    case Specials::kInfinities:
      return sign | static_cast<uint16_t>(format.Largest() + 1 + (1 << (format.fraction_bits - 1)));
    case Specials::kOneNan:
      return sign | static_cast<uint16_t>(format.SignBit() - 1);
    case Specials::kNegativeZero:
      return static_cast<uint16_t>(format.SignBit());
    case Specials::kNone:
      return static_cast<uint16_t>(how.keeps_bits ? format.SignBit() : format.Largest());
  }
  return 0;
}

uint16_t TooLarge(const NarrowFloat& format, uint16_t sign, const Narrowing& how) {
  if (how.saturate || format.specials == Specials::kNone) {
    return sign | static_cast<uint16_t>(format.Largest());
  }
  if (format.specials != Specials::kInfinities) return NotANumber(format, sign, how);
  return sign | static_cast<uint16_t>(format.Largest() + 1);
}

// Source: ONNX operator Cast, version 24, its table of FLOAT8E8M0. What it leaves open: numbers
// below zero aren't held, and minus zero is as zero.
uint16_t PowerOfTwo(const NarrowFloat& format, double value, const Narrowing& how) {
  if (std::isnan(value) || value < 0) return kNoPower;
  const auto outside = [&](int nearest) {
    return how.saturate ? static_cast<uint16_t>(nearest) : kNoPower;
  };
  if (value < std::ldexp(1.0, -format.bias)) return outside(0);
  if (value > std::ldexp(1.0, format.Largest() - format.bias)) return outside(format.Largest());
  int exponent = 0;
  const double digits = 2 * std::frexp(value, &exponent);
  const bool is_up = how.power == Narrowing::Power::kUp && digits > 1;
  const bool is_near = how.power == Narrowing::Power::kNearest && digits >= 1.5;
  return static_cast<uint16_t>(exponent - 1 + format.bias + (is_up || is_near ? 1 : 0));
}

}  // namespace

const NarrowFloat& FormatOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat16:
      return kHalf;
    case ElementType::kBfloat16:
      return kBfloat;
    case ElementType::kFloat8E4M3FN:
      return kE4M3FN;
    case ElementType::kFloat8E4M3FNUZ:
      return kE4M3FNUZ;
    case ElementType::kFloat8E5M2:
      return kE5M2;
    case ElementType::kFloat8E5M2FNUZ:
      return kE5M2FNUZ;
    case ElementType::kFloat4E2M1:
      return kE2M1;
    case ElementType::kFloat8E8M0:
      return kE8M0;
    default:
      CHECK(false);
      return kHalf;
  }
}

float Widen(const NarrowFloat& format, uint16_t bits) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (format.is_exponent) {
    const int code = bits & 0xFF;
    return code > format.Largest() ? kNan : std::ldexp(1.0F, code - format.bias);
  }
  const int sign = bits & format.SignBit();
  const int magnitude = bits & (format.SignBit() - 1);
  if (format.specials == Specials::kNegativeZero && sign != 0 && magnitude == 0) return kNan;
  const int exponent = magnitude >> format.fraction_bits;
  const int fraction = magnitude & ((1 << format.fraction_bits) - 1);
  float value = 0;
  if (magnitude > format.Largest()) {
    const bool is_infinity = format.specials == Specials::kInfinities && fraction == 0;
    value = is_infinity ? std::numeric_limits<float>::infinity() : kNan;
  } else {
    const int digits = exponent == 0 ? fraction : fraction | 1 << format.fraction_bits;
    value = std::ldexp(static_cast<float>(digits),
                       std::max(exponent, 1) - format.bias - format.fraction_bits);
  }
  return sign != 0 ? -value : value;
}

uint16_t Narrow(const NarrowFloat& format, double value, const Narrowing& how) {
  if (format.is_exponent) return PowerOfTwo(format, value, how);
  const auto word = std::bit_cast<uint64_t>(value);
  const auto sign = static_cast<uint16_t>((word >> 63) != 0 ? format.SignBit() : 0);
  if (std::isnan(value)) return NotANumber(format, sign, how);
  if (std::isinf(value)) return TooLarge(format, sign, how);
  // A double without a leading one is far smaller than half of any format's least number.
  const uint64_t one = uint64_t{1} << kDoubleFraction;
  const uint64_t digits = (word & (one - 1)) | one;
  const int own = static_cast<int>((word >> kDoubleFraction) & 0x7FF) - kDoubleBias;
  const int exponent = std::max(own, 1 - format.bias);
  const uint64_t steps =
      ShiftedRight(digits, kDoubleFraction - format.fraction_bits + exponent - own);
  // A fraction that rounds up to the next power of two carries into the exponent's bits, as it
  // must.
  const int64_t code =
      (int64_t{exponent + format.bias - 1} << format.fraction_bits) + static_cast<int64_t>(steps);
  if (code > format.Largest()) return TooLarge(format, sign, how);
  const bool is_plain_zero = code == 0 && format.specials == Specials::kNegativeZero;
  return static_cast<uint16_t>(code | (is_plain_zero ? 0 : sign));
}

bool Holds(const NarrowFloat& format, double value) {
  const Narrowing how = {.saturate = false, .power = Narrowing::Power::kNearest};
  const auto largest = static_cast<uint16_t>(format.Largest());
  if (format.specials == Specials::kNone) {
    return std::fabs(value) <= static_cast<double>(Widen(format, largest));
  }
  const float held = Widen(format, Narrow(format, value, how));
  return std::isnan(value) == std::isnan(held) && std::isinf(value) == std::isinf(held);
}

uint8_t SmallInteger::Round(double value, const Narrowing& how) const {
  if (std::isnan(value)) return 0;
  const double whole = std::nearbyint(value);
  if (!how.keeps_bits) {
    const double within = std::clamp(whole, double{0} + Least(), double{0} + Most());
    return static_cast<uint8_t>(static_cast<int>(within));
  }
  // Lower bits are all that counts, and numbers of this size have none.
  if (std::fabs(whole) >= 0x1p62) return 0;
  return Keep(static_cast<uint64_t>(static_cast<int64_t>(whole)));
}

const std::array<float, 256>& ValuesOf(ElementType type) {
  constexpr int kFirst = static_cast<int>(ElementType::kFloat8E4M3FN);
  constexpr int kCount = static_cast<int>(ElementType::kInt2) - kFirst + 1;
  static const auto tables = [] {
    std::array<std::array<float, 256>, kCount> made = {};
    for (int i = 0; i < kCount; ++i) {
      const auto each = static_cast<ElementType>(kFirst + i);
      for (int byte = 0; byte < 256; ++byte) {
        made[static_cast<size_t>(i)][static_cast<size_t>(byte)] =
            IsSmallInteger(each)
                ? static_cast<float>(SmallIntegerOf(each).Read(static_cast<uint8_t>(byte)))
                : Widen(FormatOf(each), static_cast<uint16_t>(byte));
      }
    }
    return made;
  }();
  CHECK(IsSmallInteger(type) || IsSmallFloat(type));
  return tables[static_cast<size_t>(type) - kFirst];
}

}  // namespace ephemeralml::wire
