#include "common/base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace ephemeralml {
namespace {

TEST(Checked, AddsAndMultipliesWithinRange) {
  EXPECT_EQ(CheckedAdd<uint64_t>(2, 3).value(), 5U);
  EXPECT_EQ(CheckedMultiply<int64_t>(-4, 5).value(), -20);
}

TEST(Checked, RefusesOverflow) {
  constexpr auto kMax = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(CheckedAdd<uint64_t>(kMax, 1).error().reason, "size_overflow");
  EXPECT_EQ(CheckedMultiply<uint64_t>(kMax / 2, 3).error().reason, "size_overflow");
  EXPECT_EQ(CheckedMultiply<int64_t>(INT64_MIN, -1).error().reason, "size_overflow");
}

TEST(Checked, CastsOnlyWhatFits) {
  EXPECT_EQ(CheckedCast<uint8_t>(255).value(), 255);
  EXPECT_EQ(CheckedCast<uint8_t>(256).error().reason, "size_overflow");
  EXPECT_EQ(CheckedCast<size_t>(int64_t{-1}).error().reason, "size_overflow");
}

}  // namespace
}  // namespace ephemeralml
