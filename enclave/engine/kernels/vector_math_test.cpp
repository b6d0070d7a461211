#include "enclave/engine/kernels/vector_math.h"

#include <gtest/gtest.h>

#include <limits>

namespace ephemeralml::engine::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The largest relative error over a fine walk through [low, high]; denormal results count as
// absolute.
template <class Ours, class Reference>
double LargestError(float low, float high, Ours ours, Reference reference) {
  double largest = 0;
  const double step = (static_cast<double>(high) - static_cast<double>(low)) / 400'000;
  for (int i = 0; i <= 400'000; ++i) {
    const auto x = static_cast<float>(static_cast<double>(low) + i * step);
    const double expected = reference(static_cast<double>(x));
    const double scale = std::max(std::fabs(expected), 1.2e-38);
    largest = std::max(largest, std::fabs(static_cast<double>(ours(x)) - expected) / scale);
  }
  return largest;
}

TEST(VectorMath, ExpFollowsTheStandardLibrary) {
  const auto reference = [](double x) { return std::exp(x); };
  EXPECT_LT(LargestError(
                -87.0f, 88.7f, [](float x) { return Exp(x); }, reference),
            5e-7);
  EXPECT_LT(LargestError(
                -1.0f, 1.0f, [](float x) { return Exp(x); }, reference),
            2e-7);
}

TEST(VectorMath, ExpReachesBothEndsOfItsRange) {
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(89.0f), kInfinity);
  EXPECT_EQ(Exp(1e30f), kInfinity);
  EXPECT_EQ(Exp(-kInfinity), 0.0f);
  EXPECT_EQ(Exp(-1e30f), 0.0f);
  EXPECT_NEAR(Exp(-100.0f) / std::exp(-100.0f), 1.0f, 0.05f);
  EXPECT_TRUE(std::isnan(Exp(kNan)));
}

TEST(VectorMath, TanhFollowsTheStandardLibrary) {
  const auto reference = [](double x) { return std::tanh(x); };
  EXPECT_LT(LargestError(
                -12.0f, 12.0f, [](float x) { return Tanh(x); }, reference),
            5e-7);
  EXPECT_LT(LargestError(
                -1e-3f, 1e-3f, [](float x) { return Tanh(x); }, reference),
            5e-7);
  EXPECT_EQ(Tanh(kInfinity), 1.0f);
  EXPECT_EQ(Tanh(-kInfinity), -1.0f);
  EXPECT_TRUE(std::isnan(Tanh(kNan)));
}

TEST(VectorMath, ErfFollowsTheStandardLibrary) {
  const auto reference = [](double x) { return std::erf(x); };
  EXPECT_LT(LargestError(
                -6.0f, 6.0f, [](float x) { return Erf(x); }, reference),
            5e-7);
  EXPECT_LT(LargestError(
                -1e-3f, 1e-3f, [](float x) { return Erf(x); }, reference),
            5e-7);
  EXPECT_EQ(Erf(kInfinity), 1.0f);
  EXPECT_EQ(Erf(-kInfinity), -1.0f);
  EXPECT_TRUE(std::isnan(Erf(kNan)));
}

TEST(VectorMath, SigmoidFollowsTheStandardLibrary) {
  const auto reference = [](double x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_LT(LargestError(
                -80.0f, 80.0f, [](float x) { return Sigmoid(x); }, reference),
            5e-7);
  EXPECT_EQ(Sigmoid(-kInfinity), 0.0f);
  EXPECT_EQ(Sigmoid(kInfinity), 1.0f);
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
