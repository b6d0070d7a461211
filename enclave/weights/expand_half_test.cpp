#include "enclave/weights/expand_half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::weights {
namespace {

// By the definition of IEEE 754: sign, exponent, fraction.
double ValueOf(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits & 0x7FFF) >> fraction_bits;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  double value = std::ldexp(exponent == 0 ? fraction : fraction + (1 << fraction_bits),
                            std::max(exponent, 1) - bias - fraction_bits);
  if (exponent == (1 << exponent_bits) - 1) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

std::vector<float> Expand(wire::ElementType type, const std::vector<uint16_t>& halves) {
  std::vector<float> floats(halves.size() + 1, 7.0f);
  ExpandHalves(type, {reinterpret_cast<const uint8_t*>(halves.data()), halves.size() * 2},
               {reinterpret_cast<uint8_t*>(floats.data()), floats.size() * sizeof(float)});
  EXPECT_EQ(floats.back(), 7.0f) << "more was written than there are halves";
  floats.pop_back();
  return floats;
}

class ExpandHalf : public testing::EachVectorUnit {};

TEST_P(ExpandHalf, EveryValueOfEitherTypeIsExact) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (const auto& [type, exponent_bits] :
       {std::pair{wire::ElementType::kFloat16, 5}, std::pair{wire::ElementType::kBfloat16, 8}}) {
    const std::vector<float> floats = Expand(type, all);
    for (size_t i = 0; i < all.size(); ++i) {
      const double expected = ValueOf(all[i], exponent_bits);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(floats[i])) << i;
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]),
                  std::bit_cast<uint32_t>(static_cast<float>(expected)))
            << i << " of " << Name(type);
      }
    }
  }
}

TEST_P(ExpandHalf, CountsThatFillNoVectorEndWhereTheyShould) {
  for (size_t count = 0; count < 40; ++count) {
    std::vector<uint16_t> halves(count);
    for (size_t i = 0; i < count; ++i) halves[i] = static_cast<uint16_t>(0x3C00 + i);
    const auto floats = Expand(wire::ElementType::kFloat16, halves);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(floats[i], 1.0f + static_cast<float>(i) / 1024);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, ExpandHalf, testing::VectorUnits(), testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::weights
