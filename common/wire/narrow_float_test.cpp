#include "common/wire/narrow_float.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace ephemeralml::wire {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr Narrowing kUnsaturated = {.saturate = false};

// What ONNX's pages and IEEE 754 say of a format, apart from how our table says it.
struct Described {
  ElementType type;
  int exponent_bits;
  int fraction_bits;
  int bias;
  int largest;   // code
  int infinity;  // code; -1: none
};
constexpr Described kDescribed[] = {
    {ElementType::kFloat16, 5, 10, 15, 0x7BFF, 0x7C00},
    {ElementType::kBfloat16, 8, 7, 127, 0x7F7F, 0x7F80},
    {ElementType::kFloat8E4M3FN, 4, 3, 7, 0x7E, -1},
    {ElementType::kFloat8E4M3FNUZ, 4, 3, 8, 0x7F, -1},
    {ElementType::kFloat8E5M2, 5, 2, 15, 0x7B, 0x7C},
    {ElementType::kFloat8E5M2FNUZ, 5, 2, 16, 0x7F, -1},
    {ElementType::kFloat4E2M1, 2, 1, 1, 0x7, -1},
};

bool HasMinusZero(ElementType type) {
  return type != ElementType::kFloat8E4M3FNUZ && type != ElementType::kFloat8E5M2FNUZ;
}

// The pages' formula: (-1)^S 2^(E - bias) (1 + F / 2^f), and 2^(1 - bias) F / 2^f where E is 0.
double Formula(const Described& d, int magnitude) {
  const int fractions = 1 << d.fraction_bits;
  const double fraction = static_cast<double>(magnitude % fractions) / fractions;
  const int exponent = magnitude / fractions;
  return exponent == 0 ? std::pow(2.0, 1 - d.bias) * fraction
                       : std::pow(2.0, exponent - d.bias) * (1 + fraction);
}

TEST(NarrowFloat, WidensEveryCodeAsTheFormulaSays) {
  for (const Described& d : kDescribed) {
    const int sign = 1 << (d.exponent_bits + d.fraction_bits);
    for (int code = 0; code < 2 * sign; ++code) {
      SCOPED_TRACE(std::string(Name(d.type)) + " " + std::to_string(code));
      const float value = Widen(FormatOf(d.type), static_cast<uint16_t>(code));
      const int magnitude = code % sign;
      const double factor = code < sign ? 1 : -1;
      const bool is_minus_zero = code == sign && !HasMinusZero(d.type);
      if (magnitude == d.infinity) {
        ASSERT_EQ(value, factor * kInfinity);
      } else if (magnitude > d.largest || is_minus_zero) {
        ASSERT_TRUE(std::isnan(value));
      } else {
        ASSERT_EQ(value, factor * Formula(d, magnitude));
        ASSERT_EQ(std::signbit(value), code >= sign);
      }
    }
  }
}

TEST(NarrowFloat, EveryCodeSurvivesWideningAndNarrowing) {
  for (const Described& d : kDescribed) {
    const NarrowFloat& format = FormatOf(d.type);
    for (int code = 0; code < 2 * format.SignBit(); ++code) {
      const float value = Widen(format, static_cast<uint16_t>(code));
      for (const bool saturate : {false, true}) {
        const uint16_t back = Narrow(format, static_cast<double>(value), {.saturate = saturate});
        const float again = Widen(format, back);
        if (std::isnan(value)) {
          ASSERT_TRUE(std::isnan(again)) << Name(d.type) << code;
        } else if (std::isinf(value) && saturate) {
          ASSERT_EQ(back & (format.SignBit() - 1), d.largest) << Name(d.type) << code;
        } else {
          ASSERT_EQ(back, code) << Name(d.type);
        }
      }
    }
  }
}

// Between two neighbours: what is nearer to one becomes it, what is in the middle the even one.
TEST(NarrowFloat, RoundsToTheNearestAndTiesToEvenBetweenAllNeighbours) {
  for (const Described& d : kDescribed) {
    const NarrowFloat& format = FormatOf(d.type);
    const auto narrow = [&](double value) { return int{Narrow(format, value, kUnsaturated)}; };
    for (int code = 0; code < d.largest; ++code) {
      const double middle = (Formula(d, code) + Formula(d, code + 1)) / 2;
      const int even = code % 2 == 0 ? code : code + 1;
      ASSERT_EQ(narrow(middle), even) << Name(d.type);
      ASSERT_EQ(narrow(std::nextafter(middle, 0)), code) << Name(d.type);
      ASSERT_EQ(narrow(std::nextafter(middle, kInfinity)), code + 1) << Name(d.type);
      const int sign = even != 0 || HasMinusZero(d.type) ? format.SignBit() : 0;
      ASSERT_EQ(narrow(-middle), even | sign) << Name(d.type);
    }
  }
}

TEST(NarrowFloat, TurnsWhatIsTooLargeIntoWhatTheFormatHas) {
  for (const Described& d : kDescribed) {
    const NarrowFloat& format = FormatOf(d.type);
    const double largest = Formula(d, d.largest);
    const double middle = largest + (largest - Formula(d, d.largest - 1)) / 2;
    // The place of the tie's upper neighbour is even where the largest code is odd.
    const double beyond = d.largest % 2 == 0 ? std::nextafter(middle, kInfinity) : middle;
    EXPECT_EQ(Narrow(format, std::nextafter(beyond, 0), kUnsaturated), d.largest) << Name(d.type);
    for (const double value : {beyond, 1e300, kInfinity}) {
      EXPECT_EQ(Narrow(format, value, {}), d.largest) << Name(d.type) << value;
      EXPECT_EQ(Narrow(format, -value, {}), d.largest | format.SignBit()) << Name(d.type) << value;
      const float given = Widen(format, Narrow(format, -value, kUnsaturated));
      if (d.infinity > 0) {
        EXPECT_EQ(given, -kInfinity);
      } else if (d.type == ElementType::kFloat4E2M1) {
        EXPECT_EQ(given, -6.0F);
      } else {
        EXPECT_TRUE(std::isnan(given)) << Name(d.type) << value;
      }
    }
    EXPECT_EQ(Narrow(format, 5e-324, {}), 0) << Name(d.type);
    EXPECT_EQ(Narrow(format, -0.0, {}), HasMinusZero(d.type) ? format.SignBit() : 0);
  }
}

TEST(NarrowFloat, GivesWhatIsNoNumberACode) {
  EXPECT_EQ(Narrow(kHalf, kNan, {}), 0x7E00);
  EXPECT_EQ(Narrow(kE4M3FN, kNan, {}), 0x7F);
  EXPECT_EQ(Narrow(kE4M3FNUZ, kNan, {}), 0x80);
  EXPECT_EQ(Narrow(kE5M2, -kNan, {}), 0xFE);
  EXPECT_EQ(Narrow(kE5M2FNUZ, kNan, {}), 0x80);
  EXPECT_EQ(Narrow(kE2M1, kNan, {}), 7);
  EXPECT_EQ(Narrow(kE2M1, kNan, {.keeps_bits = true}), 8);
  EXPECT_EQ(Narrow(kE8M0, kNan, {}), 0xFF);
}

TEST(Float8E8M0, HoldsPowersOfTwo) {
  for (int code = 0; code < 255; ++code) {
    const float value = Widen(kE8M0, static_cast<uint16_t>(code));
    ASSERT_EQ(value, std::pow(2.0, code - 127));
    for (const auto power : {Narrowing::Power::kUp, Narrowing::Power::kDown}) {
      ASSERT_EQ(Narrow(kE8M0, static_cast<double>(value), {.power = power}), code);
    }
  }
  EXPECT_TRUE(std::isnan(Widen(kE8M0, 0xFF)));
}

TEST(Float8E8M0, RoundsUpDownOrToTheNearest) {
  using Power = Narrowing::Power;
  const auto narrow = [](double value, Power power) {
    return int{Narrow(kE8M0, value, {.saturate = false, .power = power})};
  };
  for (int code = 0; code < 254; ++code) {
    const double least = std::pow(2.0, code - 127);
    for (const double digits : {1 + 0x1p-40, 1.5 - 0x1p-40, 1.5, 1.5 + 0x1p-40, 2 - 0x1p-40}) {
      ASSERT_EQ(narrow(digits * least, Power::kUp), code + 1);
      ASSERT_EQ(narrow(digits * least, Power::kDown), code);
      ASSERT_EQ(narrow(digits * least, Power::kNearest), digits < 1.5 ? code : code + 1);
    }
  }
}

// Source: the table of ONNX's operator Cast, version 24.
TEST(Float8E8M0, TreatsWhatItCantHoldAsTheTableSays) {
  for (const double small : {0.0, 0x1p-128, 5e-324}) {
    EXPECT_EQ(Narrow(kE8M0, small, {}), 0) << small;
    EXPECT_EQ(Narrow(kE8M0, small, kUnsaturated), 0xFF) << small;
  }
  for (const double large : {0x1.8p127, 0x1p128, 1e300, kInfinity}) {
    EXPECT_EQ(Narrow(kE8M0, large, {}), 0xFE) << large;
    EXPECT_EQ(Narrow(kE8M0, large, kUnsaturated), 0xFF) << large;
  }
  EXPECT_EQ(Narrow(kE8M0, -1, {}), 0xFF);
}

TEST(NarrowFloat, SaysWhatItHolds) {
  EXPECT_TRUE(Holds(kE5M2, kInfinity));
  EXPECT_FALSE(Holds(kE4M3FN, kInfinity));
  EXPECT_TRUE(Holds(kE4M3FN, 463));
  EXPECT_FALSE(Holds(kE4M3FN, 465));
  EXPECT_TRUE(Holds(kE4M3FNUZ, kNan));
  EXPECT_TRUE(Holds(kE2M1, -6));
  EXPECT_FALSE(Holds(kE2M1, 6.5));
  EXPECT_FALSE(Holds(kE2M1, kNan));
  EXPECT_FALSE(Holds(kE8M0, 0));
  EXPECT_FALSE(Holds(kHalf, 65520));
}

constexpr ElementType kSmallIntegers[] = {ElementType::kUint4, ElementType::kInt4,
                                          ElementType::kUint2, ElementType::kInt2};

TEST(SmallInteger, ReadsTheLowerBitsOfEveryByte) {
  for (const ElementType type : kSmallIntegers) {
    const SmallInteger format = SmallIntegerOf(type);
    const bool is_signed = Name(type).starts_with("int");
    const int count = Name(type).ends_with("4") ? 16 : 4;
    for (int byte = 0; byte < 256; ++byte) {
      const int low = byte % count;
      const int wanted = is_signed && low >= count / 2 ? low - count : low;
      ASSERT_EQ(format.Read(static_cast<uint8_t>(byte)), wanted) << Name(type);
      ASSERT_EQ(format.Keep(static_cast<uint64_t>(byte)), static_cast<uint8_t>(wanted));
      ASSERT_EQ(ValuesOf(type)[static_cast<size_t>(byte)], static_cast<float>(wanted));
    }
    EXPECT_EQ(format.Least(), is_signed ? -count / 2 : 0);
    EXPECT_EQ(format.Most(), (is_signed ? count / 2 : count) - 1);
  }
}

TEST(SmallInteger, RoundsToTheNearestAndTiesToEven) {
  for (const ElementType type : kSmallIntegers) {
    const SmallInteger format = SmallIntegerOf(type);
    for (int number = format.Least(); number < format.Most(); ++number) {
      const int even = number % 2 == 0 ? number : number + 1;
      const auto round = [&](double value) {
        return int{static_cast<int8_t>(format.Round(value, {}))};
      };
      ASSERT_EQ(round(number + 0.5), even) << Name(type);
      ASSERT_EQ(round(std::nextafter(number + 0.5, -kInfinity)), number) << Name(type);
      ASSERT_EQ(round(std::nextafter(number + 0.5, kInfinity)), number + 1) << Name(type);
    }
  }
}

TEST(SmallInteger, SaturatesOrKeepsLowerBits) {
  const SmallInteger format = SmallIntegerOf(ElementType::kInt4);
  const Narrowing keeps = {.keeps_bits = true};
  EXPECT_EQ(format.Round(8, {}), 7);
  EXPECT_EQ(format.Round(-kInfinity, {}), 0xF8);
  EXPECT_EQ(format.Round(kNan, {}), 0);
  EXPECT_EQ(format.Round(8, keeps), 0xF8);
  EXPECT_EQ(format.Round(-9, keeps), 7);
  EXPECT_EQ(format.Round(1e300, keeps), 0);
  EXPECT_EQ(format.Round(kInfinity, keeps), 0);
  EXPECT_EQ(format.Round(kNan, keeps), 0);
}

TEST(ToDouble, RoundsWideIntegersToOdd) {
  constexpr int64_t kHeld = int64_t{1} << 53;
  for (const int64_t exact : {int64_t{0}, int64_t{-5}, kHeld - 1, -kHeld + 1, kHeld, -kHeld}) {
    EXPECT_EQ(static_cast<int64_t>(ToDouble(exact)), exact);
  }
  EXPECT_GT(ToDouble((int64_t{1} << 60) + 1), 0x1p60);
  EXPECT_LT(ToDouble(-(int64_t{1} << 60) - 1), -0x1p60);
  EXPECT_LT(ToDouble((int64_t{1} << 60) - 1), 0x1p60);
  EXPECT_EQ(ToDouble(INT64_MIN), -0x1p63);
  EXPECT_LT(ToDouble(UINT64_MAX), 0x1p64);
  EXPECT_EQ(ToDouble(uint64_t{1} << 63), 0x1p63);
}

TEST(ElementType, KnowsEveryNumberOfOnnx) {
  for (int number = -1; number < 40; ++number) {
    const ElementType type = ElementTypeFromNumber(number);
    const bool is_known = (number > 0 && number < 14) || (number > 15 && number < 27);
    EXPECT_EQ(type != ElementType::kUndefined, is_known) << number;
    if (number < 17 || !is_known) {
      EXPECT_FALSE(IsSmallFloat(type) || IsSmallInteger(type)) << number;
      continue;
    }
    EXPECT_EQ(ElementBytes(type), 1u) << number;
    EXPECT_NE(IsSmallFloat(type), IsSmallInteger(type)) << number;
    EXPECT_EQ(ElementBits(type), number == 25 || number == 26   ? 2
                                 : number >= 21 && number <= 23 ? 4
                                                                : 8);
  }
}

}  // namespace
}  // namespace ephemeralml::wire
