#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

TEST(Pow, FollowsTheStandardLibraryForAnyExponent) {
  const std::vector<float> x = RandomValues(1'001, 7);
  for (const float exponent : {2.0f, 3.0f, 0.5f, -1.0f, 1.7f}) {
    std::vector<float> bases(x);
    std::vector<float> expected(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      bases[i] = std::fabs(x[i]) + 0.01f;
      expected[i] = std::pow(bases[i], exponent);
    }
    OpTester("Pow")
        .Input<float>({1'001}, bases)
        .Constant<float>({}, {exponent})
        .ExpectOutput<float>({1'001}, expected)
        .Run();
  }
}

TEST(Pow, BroadcastsAndExpandsABaseOfOneElement) {
  OpTester("Pow")
      .Input<float>({2, 1}, {2, 3})
      .Input<float>({3}, {1, 2, 3})
      .ExpectOutput<float>({2, 3}, {2, 4, 8, 3, 9, 27})
      .Run();
  OpTester("Pow")
      .Input<float>({}, {3})
      .Input<float>({1, 1}, {2})
      .ExpectOutput<float>({1, 1}, {9})
      .Run();
  OpTester("Pow").Input<float>({0}, {}).Input<float>({}, {2}).ExpectOutput<float>({0}, {}).Run();
}

TEST(Pow, GivesTheTypeOfTheBase) {
  OpTester("Pow")
      .Input<float>({2}, {2, 3})
      .Input<int64_t>({2}, {3, 2})
      .ExpectOutput<float>({2}, {8, 9})
      .Run();
  OpTester("Pow")
      .Input<int32_t>({2}, {2, 9})
      .Input<float>({2}, {3, 0.5f})
      .ExpectOutput<int32_t>({2}, {8, 3})
      .Run();
  OpTester("Pow")
      .Input<double>({1}, {2})
      .Input<float>({1}, {0.5f})
      .ExpectOutput<double>({1}, {std::sqrt(2.0)})
      .Run();
  OpTester("Pow")
      .Input<int64_t>({1}, {2})
      .Input<uint8_t>({1}, {10})
      .ExpectOutput<int64_t>({1}, {1024})
      .Run();
}

TEST(Pow, RaisesIntegersExactly) {
  OpTester("Pow")
      .Input<int64_t>({4}, {3, -2, 10, 0})
      .Input<int64_t>({4}, {39, 63, 18, 0})
      .ExpectOutput<int64_t>({4},
                             {4'052'555'153'018'976'267, INT64_MIN, 1'000'000'000'000'000'000, 1})
      .Run();
}

TEST(Pow, TruncatesIntegersWithNegativeExponents) {
  OpTester("Pow")
      .Input<int32_t>({5}, {1, -1, -1, 7, 0})
      .Input<int32_t>({5}, {-3, -3, -4, -1, -1})
      .ExpectOutput<int32_t>({5}, {1, -1, 1, 0, 0})
      .Run();
}

TEST(Pow, RefusesWhatDoesntFit) {
  OpTester("Pow").Input<bool>({1}, {true}).Input<float>({1}, {1}).ExpectError("type_unsupported");
  OpTester("Pow").Input<float>({1}, {1}).Input<bool>({1}, {true}).ExpectError("type_unsupported");
  OpTester("Pow")
      .Input<float>({2}, {1, 1})
      .Input<float>({3}, {1, 1, 1})
      .ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
