#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

// More elements than a thread takes at once, and not a multiple of any vector's length.
constexpr size_t kMany = 40'007;

void ExpectLikeStandardLibrary(const char* op, const std::function<double(double)>& reference,
                               bool positive = false) {
  std::vector<float> x = RandomValues(kMany, 3);
  if (positive) std::ranges::transform(x, x.begin(), [](float v) { return std::fabs(v) + 1e-3f; });
  std::vector<float> y(x.size());
  std::ranges::transform(x, y.begin(), [&](float v) { return static_cast<float>(reference(v)); });
  const Shape shape = {static_cast<int64_t>(x.size())};
  OpTester(op).Input<float>(shape, x).ExpectOutput<float>(shape, y).Tolerance(1e-7, 1e-6).Run();

  const std::vector<double> wide(x.begin(), x.end());
  std::vector<double> wide_y(x.size());
  std::ranges::transform(wide, wide_y.begin(), reference);
  OpTester(op).Input<double>(shape, wide).ExpectOutput<double>(shape, wide_y).Run();

  OpTester(op).Input<float>({0, 3}, {}).ExpectOutput<float>({0, 3}, {}).Run();
  OpTester(op).Input<float>({}, {x[0]}).ExpectOutput<float>({}, {y[0]}).Run();
  OpTester(op).NoInput().ExpectError("input_invalid");
  OpTester(op).Input<float>({}, {1}).Input<float>({}, {1}).ExpectError("input_invalid");
}

TEST(UnaryMath, FollowsTheStandardLibrary) {
  ExpectLikeStandardLibrary("Abs", [](double x) { return std::fabs(x); });
  ExpectLikeStandardLibrary("Neg", [](double x) { return -x; });
  ExpectLikeStandardLibrary("Ceil", [](double x) { return std::ceil(x); });
  ExpectLikeStandardLibrary("Floor", [](double x) { return std::floor(x); });
  ExpectLikeStandardLibrary("Exp", [](double x) { return std::exp(x); });
  ExpectLikeStandardLibrary("Sin", [](double x) { return std::sin(x); });
  ExpectLikeStandardLibrary("Cos", [](double x) { return std::cos(x); });
  ExpectLikeStandardLibrary("Erf", [](double x) { return std::erf(x); });
  ExpectLikeStandardLibrary("Tanh", [](double x) { return std::tanh(x); });
  ExpectLikeStandardLibrary(
      "Log", [](double x) { return std::log(x); }, true);
  ExpectLikeStandardLibrary(
      "Sqrt", [](double x) { return std::sqrt(x); }, true);
  ExpectLikeStandardLibrary(
      "Reciprocal", [](double x) { return 1 / x; }, true);
}

TEST(UnaryMath, TakesWeightsAndConstants) {
  OpTester("Exp")
      .Weight<float>({2, 2}, {0, 0, 0, 0}, 1)
      .ExpectOutput<float>({2, 2}, {1, 1, 1, 1})
      .Run();
  OpTester("Abs").Constant<float>({1}, {-2}).ExpectOutput<float>({1}, {2}).Run();
}

TEST(UnaryMath, RefusesTypesThatTheOperatorDoesntTake) {
  for (const char* op : {"Exp", "Log", "Sqrt", "Ceil", "Erf"}) {
    OpTester(op).Input<int32_t>({1}, {1}).ExpectError("type_unsupported");
  }
  OpTester("Neg").Input<uint8_t>({1}, {1}).ExpectError("type_unsupported");
  OpTester("Abs").Input<bool>({1}, {true}).ExpectError("type_unsupported");
}

TEST(Abs, KeepsTheLowestInteger) {
  constexpr auto kLowest = std::numeric_limits<int32_t>::min();
  OpTester("Abs")
      .Input<int32_t>({3}, {-7, 7, kLowest})
      .ExpectOutput<int32_t>({3}, {7, 7, kLowest})
      .Run();
  OpTester("Abs").Input<int8_t>({2}, {-128, -127}).ExpectOutput<int8_t>({2}, {-128, 127}).Run();
  OpTester("Abs").Input<uint8_t>({1}, {200}).ExpectOutput<uint8_t>({1}, {200}).Run();
}

TEST(Neg, KeepsTheLowestInteger) {
  constexpr auto kLowest = std::numeric_limits<int64_t>::min();
  OpTester("Neg").Input<int64_t>({2}, {5, kLowest}).ExpectOutput<int64_t>({2}, {-5, kLowest}).Run();
  OpTester("Neg").Input<int8_t>({2}, {5, -128}).ExpectOutput<int8_t>({2}, {-5, -128}).Run();
}

TEST(Round, RoundsHalvesToEven) {
  OpTester("Round")
      .Input<float>({8}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 2.4f, 2.6f, -2.6f})
      .ExpectOutput<float>({8}, {0, 2, 2, 0, -2, 2, 3, -3})
      .Tolerance(0, 0)
      .Run();
}

TEST(Sign, TakesAllNumbers) {
  OpTester("Sign").Input<float>({3}, {-2.5f, 0, 4}).ExpectOutput<float>({3}, {-1, 0, 1}).Run();
  OpTester("Sign").Input<int16_t>({3}, {-9, 0, 9}).ExpectOutput<int16_t>({3}, {-1, 0, 1}).Run();
  OpTester("Sign").Input<uint8_t>({2}, {0, 255}).ExpectOutput<uint8_t>({2}, {0, 1}).Run();
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
