// Drawn numbers are judged by their distribution. The seeds are fixed: no run differs from another.

#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;
constexpr int64_t kCount = 40'000;

struct Moments {
  double mean = 0;
  double deviation = 0;
  float least = INFINITY;
  float most = -INFINITY;
};

Moments MomentsOf(const std::vector<float>& values) {
  Moments m;
  for (const float value : values) {
    m.mean += static_cast<double>(value) / static_cast<double>(values.size());
    m.least = std::min(m.least, value);
    m.most = std::max(m.most, value);
  }
  for (const float value : values) {
    const double far = static_cast<double>(value) - m.mean;
    m.deviation += far * far / static_cast<double>(values.size());
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(RandomUniform, FillsItsRangeEvenly) {
  OpTester test("RandomUniform");
  test.Attr("low", -1.0f).Attr("high", 3.0f).Attr("seed", 1.0f).Ints("shape", {kCount});
  const Moments m = MomentsOf(test.Outputs()->front().Values<float>());
  EXPECT_NEAR(m.mean, 1, 0.03);
  EXPECT_NEAR(m.deviation, 4 / std::sqrt(12.0), 0.03);
  EXPECT_GE(m.least, -1);
  EXPECT_LE(m.most, 3);
}

TEST(RandomNormal, HasItsMeanAndDeviation) {
  OpTester test("RandomNormalLike");
  test.Attr("mean", 5.0f).Attr("scale", 2.0f).Attr("seed", 1.0f);
  test.Input<float>({kCount}, std::vector<float>(kCount));
  const std::vector<float> values = test.Outputs()->front().Values<float>();
  const Moments m = MomentsOf(values);
  EXPECT_NEAR(m.mean, 5, 0.05);
  EXPECT_NEAR(m.deviation, 2, 0.05);
  const auto within = std::ranges::count_if(values, [](float v) { return std::abs(v - 5) < 2; });
  EXPECT_NEAR(static_cast<double>(within) / kCount, 0.6827, 0.01);
}

TEST(Bernoulli, IsOneAsOftenAsAskedFor) {
  OpTester test("Bernoulli");
  test.Attr("seed", 1.0f)
      .Attr("dtype", 1)
      .Input<double>({kCount}, std::vector<double>(kCount, 0.3));
  EXPECT_NEAR(MomentsOf(test.Outputs()->front().Values<float>()).mean, 0.3, 0.01);
  OpTester certain("Bernoulli");
  certain.Input<float>({2}, {0, 1}).ExpectOutput<float>({2}, {0, 1}).Run();
}

TEST(Multinomial, DrawsClassesByTheirOdds) {
  OpTester test("Multinomial");
  test.Attr("seed", 1.0f).Attr("sample_size", static_cast<int>(kCount));
  test.Input<float>({1, 3}, {std::log(1.0f), -INFINITY, std::log(3.0f)});
  const auto drawn = test.Outputs()->front().Values<int32_t>();
  EXPECT_EQ(std::ranges::count(drawn, 1), 0);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(drawn, 2)) / kCount, 0.75, 0.01);
}

TEST(RandomNumbers, AreTheSameForASeedAndOthersWithout) {
  const auto draw = [](bool seeded) {
    OpTester test("RandomUniform");
    if (seeded) test.Attr("seed", 2.5f);
    test.Ints("shape", {8});
    return test.Outputs()->front().Values<float>();
  };
  EXPECT_EQ(draw(true), draw(true));
  EXPECT_NE(draw(false), draw(false));
}

TEST(RandomNumbers, RefuseShapesThatNoMemoryHolds) {
  OpTester test("RandomUniform");
  test.Ints("shape", {int64_t{1} << 40}).ExpectError("session_memory_exceeded");
  OpTester negative("RandomUniform");
  negative.Ints("shape", {-1}).ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine
