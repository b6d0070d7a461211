#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

TEST(Concat, JoinsAlongAnyAxis) {
  const auto operands = [](int axis) {
    OpTester test("Concat", 13);
    test.Attr("axis", axis).Input<float>({2, 2}, {1, 2, 3, 4}).Weight<float>({2, 2}, {5, 6, 7, 8});
    return test;
  };
  operands(0).ExpectOutput<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}).Run();
  operands(1).ExpectOutput<float>({2, 4}, {1, 2, 5, 6, 3, 4, 7, 8}).Run();
  operands(-2).ExpectOutput<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}).Run();
}

TEST(Concat, TakesUnequalAndEmptyParts) {
  OpTester("Concat", 13)
      .Attr("axis", 1)
      .Input<int8_t>({2, 1}, {1, 4})
      .Input<int8_t>({2, 0}, {})
      .Input<int8_t>({2, 2}, {2, 3, 5, 6})
      .ExpectOutput<int8_t>({2, 3}, {1, 2, 3, 4, 5, 6})
      .Run();
  OpTester("Concat", 13)
      .Attr("axis", 0)
      .Input<float>({0, 2}, {})
      .Input<float>({0, 2}, {})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
  OpTester("Concat", 13)
      .Attr("axis", 0)
      .Input<bool>({2}, {true, false})
      .ExpectOutput<bool>({2}, {true, false})
      .Run();
}

TEST(Concat, JoinsTheSecondAxisByDefaultBeforeVersion4) {
  OpTester("Concat", 3)
      .Input<float>({1, 1}, {1})
      .Input<float>({1, 1}, {2})
      .ExpectOutput<float>({1, 2}, {1, 2})
      .Run();
  OpTester("Concat", 4).Input<float>({1, 1}, {1}).ExpectError("attribute_invalid");
}

TEST(Concat, RefusesWhatDoesntFit) {
  const auto with_axis = [](int axis) {
    OpTester test("Concat", 13);
    test.Attr("axis", axis).Input<float>({1, 2}, {1, 2});
    return test;
  };
  with_axis(0).Input<float>({1, 3}, {1, 2, 3}).ExpectError("shape_invalid");
  with_axis(0).Input<float>({2}, {1, 2}).ExpectError("shape_invalid");
  with_axis(0).Input<int32_t>({1, 2}, {1, 2}).ExpectError("input_invalid");
  with_axis(0).NoInput().ExpectError("input_invalid");
  with_axis(2).ExpectError("attribute_invalid");
  with_axis(-3).ExpectError("attribute_invalid");
  OpTester("Concat", 13).Attr("axis", 0).ExpectError("input_invalid");
  OpTester("Concat", 13)
      .Attr("axis", 0)
      .Input<float>({}, {1})
      .Input<float>({}, {1})
      .ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
