#include <gtest/gtest.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

TEST(Where, ChoosesElementByElement) {
  OpTester("Where")
      .Input<bool>({3}, {true, false, true})
      .Input<float>({3}, {1, 2, 3})
      .Input<float>({3}, {10, 20, 30})
      .ExpectOutput<float>({3}, {1, 20, 3})
      .Run();
}

TEST(Where, BroadcastsAllThreeOperands) {
  const std::vector<bool> condition = {true, false};
  OpTester("Where")
      .Input<bool>({2}, condition)
      .Input<int64_t>({2, 1}, {1, 2})
      .Input<int64_t>({}, {9})
      .ExpectOutput<int64_t>({2, 2}, {1, 9, 2, 9})
      .Run();
  OpTester("Where")
      .Input<bool>({2}, condition)
      .Input<int8_t>({}, {1})
      .Input<int8_t>({2}, {8, 9})
      .ExpectOutput<int8_t>({2}, {1, 9})
      .Run();
  OpTester("Where")
      .Input<bool>({2}, condition)
      .Input<double>({2}, {1, 2})
      .Input<double>({1}, {7})
      .ExpectOutput<double>({2}, {1, 7})
      .Run();
  OpTester("Where")
      .Input<bool>({2}, condition)
      .Input<int16_t>({1}, {1})
      .Input<int16_t>({1}, {7})
      .ExpectOutput<int16_t>({2}, {1, 7})
      .Run();
  OpTester("Where")
      .Input<bool>({2, 1}, condition)
      .Input<float>({2}, {1, 2})
      .Weight<float>({1}, {7})
      .ExpectOutput<float>({2, 2}, {1, 2, 7, 7})
      .Run();
}

TEST(Where, CoversLargeTensorsOnSeveralThreads) {
  constexpr size_t kCount = 50'001;
  const std::vector<float> x = RandomValues(kCount, 1);
  const std::vector<float> y = RandomValues(kCount, 2);
  std::vector<bool> condition(kCount);
  std::vector<float> expected(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    condition[i] = x[i] > 0;
    expected[i] = condition[i] ? x[i] : y[i];
  }
  OpTester("Where")
      .Input<bool>({kCount}, condition)
      .Input<float>({kCount}, x)
      .Input<float>({kCount}, y)
      .ExpectOutput<float>({kCount}, expected)
      .Run();
}

TEST(Where, TakesBooleansAndEmptyTensors) {
  OpTester("Where")
      .Input<bool>({2}, {true, false})
      .Input<bool>({2}, {false, false})
      .Input<bool>({2}, {true, true})
      .ExpectOutput<bool>({2}, {false, true})
      .Run();
  OpTester("Where")
      .Input<bool>({0}, {})
      .Input<float>({1}, {1})
      .Input<float>({1}, {2})
      .ExpectOutput<float>({0}, {})
      .Run();
}

TEST(Where, RefusesWhatDoesntFit) {
  OpTester("Where")
      .Input<int32_t>({1}, {1})
      .Input<float>({1}, {1})
      .Input<float>({1}, {1})
      .ExpectError("type_unsupported");
  OpTester("Where")
      .Input<bool>({1}, {true})
      .Input<float>({1}, {1})
      .Input<double>({1}, {1})
      .ExpectError("input_invalid");
  OpTester("Where")
      .Input<bool>({2}, {true, true})
      .Input<float>({3}, {1, 1, 1})
      .Input<float>({1}, {1})
      .ExpectError("shape_invalid");
  OpTester("Where").Input<bool>({1}, {true}).Input<float>({1}, {1}).ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
