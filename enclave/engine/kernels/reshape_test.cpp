#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

OpTester Reshape(const Shape& given, const std::vector<int64_t>& wanted, int64_t opset = 14) {
  OpTester test("Reshape", opset);
  test.Input<float>(given, std::vector<float>(*ElementCount(given), 1));
  test.Input<int64_t>({std::ssize(wanted)}, wanted);
  return test;
}

void ExpectReshaped(const Shape& given, const std::vector<int64_t>& wanted, const Shape& expected) {
  Reshape(given, wanted)
      .ExpectOutput<float>(expected, std::vector<float>(*ElementCount(given), 1))
      .Run();
}

TEST(Reshape, CopiesZerosAndInfersOneDimension) {
  ExpectReshaped({2, 3, 4}, {4, 6}, {4, 6});
  ExpectReshaped({2, 3, 4}, {0, -1}, {2, 12});
  ExpectReshaped({2, 3, 4}, {-1, 0, 2}, {4, 3, 2});
  ExpectReshaped({1}, {}, {});
  ExpectReshaped({}, {1, -1}, {1, 1});
  ExpectReshaped({0, 3}, {0, 7}, {0, 7});
  ExpectReshaped({2, 0}, {2, -1, 3}, {2, 0, 3});
}

TEST(Reshape, KeepsTheElementsInOrder) {
  OpTester("Reshape", 5)
      .Weight<float>({2, 3}, kSix, 1)
      .Constant<int64_t>({2}, {3, 2})
      .ExpectOutput<float>({3, 2}, kSix)
      .Run();
  OpTester("Reshape", 1)
      .Ints("shape", {3, 2})
      .Input<float>({2, 3}, kSix)
      .ExpectOutput<float>({3, 2}, kSix)
      .Run();
}

TEST(Reshape, AllowsZerosFromVersion14) {
  Reshape({0, 3}, {3, 0}).Attr("allowzero", 1).ExpectOutput<float>({3, 0}, {}).Run();
  Reshape({0, 3}, {3, 0}, 13).Attr("allowzero", 1).ExpectError("shape_invalid");
  Reshape({0, 3}, {0, -1}).Attr("allowzero", 1).ExpectError("shape_invalid");
}

TEST(Reshape, RefusesWhatDoesntComeOut) {
  Reshape({2, 3}, {4}).ExpectError("shape_invalid");
  Reshape({2, 3}, {4, -1}).ExpectError("shape_invalid");
  Reshape({2, 3}, {-1, -1}).ExpectError("shape_invalid");
  Reshape({2, 3}, {6, 1, 0}).ExpectError("shape_invalid");
  Reshape({2, 3}, {-2, -3}).ExpectError("shape_invalid");
  Reshape({0}, {0, -1}).ExpectError("shape_invalid");
  Reshape({2}, {int64_t{1} << 32, int64_t{1} << 32}).ExpectError("size_overflow");
  Reshape({2}, std::vector<int64_t>(100, 1)).ExpectError("input_invalid");
  OpTester("Reshape", 13).Input<float>({1}, {1}).ExpectError("input_invalid");
}

TEST(Flatten, MakesTwoAxes) {
  const auto expect = [](int axis, const Shape& expected) {
    OpTester("Flatten", 13)
        .Attr("axis", axis)
        .Input<float>({1, 2, 3}, kSix)
        .ExpectOutput<float>(expected, kSix)
        .Run();
  };
  expect(0, {1, 6});
  expect(1, {1, 6});
  expect(2, {2, 3});
  expect(3, {6, 1});
  expect(-1, {2, 3});
  expect(-3, {1, 6});
  OpTester("Flatten", 1).Input<float>({3, 2}, kSix).ExpectOutput<float>({3, 2}, kSix).Run();
  OpTester("Flatten", 13)
      .Attr("axis", 0)
      .Input<float>({}, {1})
      .ExpectOutput<float>({1, 1}, {1})
      .Run();
}

TEST(Flatten, RefusesAnAxisOutside) {
  OpTester("Flatten", 13)
      .Attr("axis", 3)
      .Input<float>({2, 3}, kSix)
      .ExpectError("attribute_invalid");
  OpTester("Flatten", 13)
      .Attr("axis", -3)
      .Input<float>({2, 3}, kSix)
      .ExpectError("attribute_invalid");
}

TEST(Squeeze, DropsNamedAxesOrAllOfExtentOne) {
  OpTester("Squeeze", 13)
      .Input<float>({1, 6, 1}, kSix)
      .Input<int64_t>({1}, {-1})
      .ExpectOutput<float>({1, 6}, kSix)
      .Run();
  OpTester("Squeeze", 13).Input<float>({1, 6, 1}, kSix).ExpectOutput<float>({6}, kSix).Run();
  OpTester("Squeeze", 13)
      .Input<float>({1, 6, 1}, kSix)
      .NoInput()
      .ExpectOutput<float>({6}, kSix)
      .Run();
  OpTester("Squeeze", 11)
      .Ints("axes", {0, -1})
      .Input<float>({1, 6, 1}, kSix)
      .ExpectOutput<float>({6}, kSix)
      .Run();
  OpTester("Squeeze", 1).Input<float>({1, 0}, {}).ExpectOutput<float>({0}, {}).Run();
}

TEST(Squeeze, RefusesAxesThatArentOne) {
  OpTester("Squeeze", 13)
      .Input<float>({1, 6}, kSix)
      .Input<int64_t>({1}, {1})
      .ExpectError("shape_invalid");
  OpTester("Squeeze", 13)
      .Input<float>({1, 6}, kSix)
      .Input<int64_t>({1}, {2})
      .ExpectError("attribute_invalid");
  OpTester("Squeeze", 12)
      .Input<float>({1, 6}, kSix)
      .Input<int64_t>({1}, {0})
      .ExpectError("input_invalid");
}

TEST(Unsqueeze, AddsAxesOfExtentOne) {
  OpTester("Unsqueeze", 13)
      .Input<float>({2, 3}, kSix)
      .Input<int64_t>({3}, {0, -1, 2})
      .ExpectOutput<float>({1, 2, 1, 3, 1}, kSix)
      .Run();
  OpTester("Unsqueeze", 11)
      .Ints("axes", {-2})
      .Input<float>({6}, kSix)
      .ExpectOutput<float>({1, 6}, kSix)
      .Run();
  OpTester("Unsqueeze", 13)
      .Input<float>({}, {1})
      .Constant<int64_t>({1}, {0})
      .ExpectOutput<float>({1}, {1})
      .Run();
}

TEST(Unsqueeze, RefusesAxesThatDontFit) {
  OpTester("Unsqueeze", 13)
      .Input<float>({6}, kSix)
      .Input<int64_t>({2}, {0, -3})
      .ExpectError("attribute_invalid");
  OpTester("Unsqueeze", 13)
      .Input<float>({6}, kSix)
      .Input<int64_t>({1}, {2})
      .ExpectError("attribute_invalid");
  OpTester("Unsqueeze", 13).Input<float>({6}, kSix).ExpectError("input_invalid");
  OpTester("Unsqueeze", 11).Input<float>({6}, kSix).ExpectError("input_invalid");
}

TEST(Identity, PassesAnyTypeThrough) {
  OpTester("Identity").Input<bool>({2}, {true, false}).ExpectOutput<bool>({2}, {true, false}).Run();
  OpTester("Identity").Weight<float>({2}, {1, 2}).ExpectOutput<float>({2}, {1, 2}).Run();
  OpTester("Identity").NoInput().ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
