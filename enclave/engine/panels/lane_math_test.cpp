// The functions of lane_math-inl.h, through what applies them to rows.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "enclave/engine/panels/attention_rows.h"
#include "enclave/engine/panels/panel_tile.h"
#include "enclave/weights/testing/each_vector_unit.h"

namespace ephemeralml::engine::panels {
namespace {

constexpr double kRelative = 1e-6;

class LaneMath : public weights::testing::EachVectorUnit {};

// Evenly from `low` to `high`; the count is no multiple of any vector's lanes.
std::vector<float> Between(float low, float high) {
  constexpr size_t kCount = 20'011;
  std::vector<float> values(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    values[i] = low + (high - low) * static_cast<float>(i) / static_cast<float>(kCount - 1);
  }
  return values;
}

void ExpectActivation(Activation activation, double (*function)(double), double absolute) {
  std::vector<float> values = Between(-30, 30);
  const std::vector<float> given = values;
  const auto count = static_cast<int64_t>(values.size());
  FinishRows({.left = 0, .result = count, .result_lanes = 16}, {nullptr, values.data(), nullptr, 1},
             count, {.activation = activation});
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = function(given[i]);
    ASSERT_NEAR(values[i], expected, kRelative * std::abs(expected) + absolute) << given[i];
  }
}

TEST_P(LaneMath, PowersOfE) {
  std::vector<float> values = Between(-86, 0);
  const std::vector<float> given = values;
  const RowSum row =
      ExponentiateRow(values.data(), static_cast<int64_t>(values.size()), 1, nullptr);
  EXPECT_EQ(row.most, 0);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = std::exp(static_cast<double>(given[i]));
    ASSERT_NEAR(values[i], expected, kRelative * expected) << given[i];
    sum += expected;
  }
  EXPECT_NEAR(row.sum, sum, 1e-5 * sum);
}

TEST_P(LaneMath, PowersOfEThatVanish) {
  std::vector<float> values = {0, -87.4f, -100, -1e30f};
  (void)ExponentiateRow(values.data(), 4, 1, nullptr);
  EXPECT_EQ(values[0], 1);
  for (size_t i = 1; i < values.size(); ++i) {
    EXPECT_GE(values[i], 0);
    EXPECT_LE(values[i], 2e-38f);
  }
}

TEST_P(LaneMath, Sigmoid) {
  ExpectActivation(
      Activation::kSigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 0);
}

TEST_P(LaneMath, Tanh) {
  ExpectActivation(
      Activation::kTanh, [](double x) { return std::tanh(x); }, 0);
}

// Where it vanishes it is a difference of nearly equal numbers.
TEST_P(LaneMath, Gelu) {
  ExpectActivation(
      Activation::kGelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Each, LaneMath, weights::testing::VectorUnits(),
                         weights::testing::VectorUnitName);

}  // namespace
}  // namespace ephemeralml::engine::panels
