#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

using Numbers = std::vector<int64_t>;

OpTester Slice(const Numbers& starts, const Numbers& ends, const Numbers& axes,
               const Numbers& steps) {
  OpTester test("Slice", 13);
  test.Input<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  test.Constant<int64_t>({std::ssize(starts)}, starts);
  test.Constant<int64_t>({std::ssize(ends)}, ends);
  test.Constant<int64_t>({std::ssize(axes)}, axes);
  test.Constant<int64_t>({std::ssize(steps)}, steps);
  return test;
}

TEST(Slice, TakesRangesAndSteps) {
  Slice({1, 0}, {2, 3}, {0, 1}, {1, 2}).ExpectOutput<float>({1, 2}, {5, 7}).Run();
  Slice({1}, {3}, {-1}, {1}).ExpectOutput<float>({2, 2}, {2, 3, 6, 7}).Run();
  Slice({0}, {4}, {1}, {3}).ExpectOutput<float>({2, 2}, {1, 4, 5, 8}).Run();
}

TEST(Slice, CountsFromTheEndAndClamps) {
  Slice({-3}, {-1}, {1}, {1}).ExpectOutput<float>({2, 2}, {2, 3, 6, 7}).Run();
  Slice({-100}, {100}, {1}, {1}).ExpectOutput<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}).Run();
  Slice({100}, {200}, {1}, {1}).ExpectOutput<float>({2, 0}, {}).Run();
  Slice({2}, {1}, {1}, {1}).ExpectOutput<float>({2, 0}, {}).Run();
  Slice({INT64_MIN}, {INT64_MAX}, {0}, {INT64_MAX}).ExpectOutput<float>({1, 4}, {1, 2, 3, 4}).Run();
}

TEST(Slice, GoesBackwards) {
  Slice({-1}, {INT64_MIN}, {1}, {-1}).ExpectOutput<float>({2, 4}, {4, 3, 2, 1, 8, 7, 6, 5}).Run();
  Slice({3, 1}, {0, -100}, {1, 0}, {-2, -1}).ExpectOutput<float>({2, 2}, {8, 6, 4, 2}).Run();
  Slice({100}, {-100}, {0}, {INT64_MIN}).ExpectOutput<float>({1, 4}, {5, 6, 7, 8}).Run();
  Slice({0}, {0}, {0}, {-1}).ExpectOutput<float>({0, 4}, {}).Run();
}

TEST(Slice, TakesDefaultsAnd32BitNumbers) {
  OpTester("Slice", 10)
      .Input<int16_t>({3}, {1, 2, 3})
      .Input<int32_t>({1}, {1})
      .Input<int32_t>({1}, {3})
      .ExpectOutput<int16_t>({2}, {2, 3})
      .Run();
  OpTester("Slice", 10)
      .Weight<float>({3}, {1, 2, 3})
      .Input<int64_t>({1}, {0})
      .Input<int64_t>({1}, {9})
      .NoInput()
      .Input<int64_t>({1}, {2})
      .ExpectOutput<float>({2}, {1, 3})
      .Run();
}

TEST(Slice, ReadsAttributesBeforeVersion10) {
  OpTester("Slice", 9)
      .Ints("starts", {1, 0})
      .Ints("ends", {2, -1})
      .Ints("axes", {0, 1})
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .ExpectOutput<float>({1, 1}, {3})
      .Run();
  OpTester("Slice", 1)
      .Ints("starts", {1})
      .Ints("ends", {2})
      .Input<float>({2, 1}, {1, 2})
      .ExpectOutput<float>({1, 1}, {2})
      .Run();
  OpTester("Slice", 9)
      .Ints("starts", {1})
      .Input<float>({2}, {1, 2})
      .ExpectError("attribute_invalid");
  OpTester("Slice", 9)
      .Ints("starts", {1})
      .Ints("ends", {2})
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {1})
      .ExpectError("input_invalid");
}

TEST(Slice, TakesEmptyTensors) {
  OpTester("Slice", 13)
      .Input<float>({0, 2}, {})
      .Input<int64_t>({2}, {0, 1})
      .Input<int64_t>({2}, {5, 2})
      .ExpectOutput<float>({0, 1}, {})
      .Run();
  OpTester("Slice", 13)
      .Input<float>({0}, {})
      .Input<int64_t>({1}, {-1})
      .Input<int64_t>({1}, {-9})
      .Input<int64_t>({1}, {0})
      .Input<int64_t>({1}, {-1})
      .ExpectOutput<float>({0}, {})
      .Run();
}

TEST(Slice, RefusesWhatDoesntFit) {
  Slice({0}, {1}, {1}, {0}).ExpectError("input_invalid");
  Slice({0}, {1, 2}, {1}, {1}).ExpectError("input_invalid");
  Slice({0}, {1}, {1, 0}, {1}).ExpectError("input_invalid");
  Slice({0, 0}, {1, 1}, {1, -1}, {1, 1}).ExpectError("attribute_invalid");
  Slice({0}, {1}, {2}, {1}).ExpectError("attribute_invalid");
  OpTester("Slice", 13)
      .Input<float>({1}, {1})
      .Input<float>({1}, {0})
      .Input<float>({1}, {1})
      .ExpectError("type_unsupported");
  OpTester("Slice", 13)
      .Input<float>({1}, {1})
      .Input<int64_t>({1}, {0})
      .ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
