#include "client/tensors/narrow_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ephemeralml::tensors {
namespace {

TEST(NarrowFloat, EveryPatternSurvivesWideningAndNarrowing) {
  for (const NarrowFloat format : {kHalf, kBfloat}) {
    for (int bits = 0; bits <= 0xffff; ++bits) {
      const float value = Widen(format, static_cast<uint16_t>(bits));
      const uint16_t back = Narrow(format, value);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(Widen(format, back)));
      } else {
        ASSERT_EQ(back, bits);
      }
    }
  }
}

TEST(NarrowFloat, KnowsTheStandardsLandmarks) {
  EXPECT_EQ(Widen(kHalf, 0x3c00), 1.0F);
  EXPECT_EQ(Widen(kHalf, 0x7bff), 65504.0F);
  EXPECT_EQ(Widen(kHalf, 0x0001), std::ldexp(1.0F, -24));
  EXPECT_EQ(Widen(kHalf, 0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(Widen(kBfloat, 0x3f80), 1.0F);
  EXPECT_EQ(Widen(kBfloat, 0x4049), 3.140625F);
}

TEST(NarrowFloat, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(Narrow(kHalf, 1 + 0x1p-11), 0x3c00);
  EXPECT_EQ(Narrow(kHalf, 1 + 0x1p-11 + 0x1p-30), 0x3c01);
  EXPECT_EQ(Narrow(kHalf, 1 + 3 * 0x1p-11), 0x3c02);
  EXPECT_EQ(Narrow(kHalf, 0x1p-25), 0x0000);
  EXPECT_EQ(Narrow(kHalf, 0x1p-25 * 1.5), 0x0001);
  EXPECT_EQ(Narrow(kHalf, -0.0), 0x8000);
}

TEST(NarrowFloat, TurnsWhatIsTooLargeIntoInfinity) {
  EXPECT_EQ(Narrow(kHalf, 65519.99), 0x7bff);
  EXPECT_EQ(Narrow(kHalf, 65520), 0x7c00);
  EXPECT_EQ(Narrow(kHalf, 1e300), 0x7c00);
  EXPECT_EQ(Narrow(kBfloat, -1e300), 0xff80);
}

}  // namespace
}  // namespace ephemeralml::tensors
