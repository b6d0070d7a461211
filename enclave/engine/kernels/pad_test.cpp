#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

OpTester PadRow(const char* mode, const std::vector<int64_t>& pads, int64_t opset = 19) {
  OpTester test("Pad", opset);
  test.Attr("mode", mode).Input<int32_t>({4}, {1, 2, 3, 4});
  test.Input<int64_t>({std::ssize(pads)}, pads);
  return test;
}

TEST(Pad, SurroundsWithAConstant) {
  OpTester("Pad", 13)
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .Input<int64_t>({4}, {1, 0, 0, 2})
      .Input<float>({}, {9})
      .ExpectOutput<float>({3, 4}, {9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9})
      .Run();
  PadRow("constant", {1, 1}).ExpectOutput<int32_t>({6}, {0, 1, 2, 3, 4, 0}).Run();
}

TEST(Pad, RepeatsWhatIsThere) {
  PadRow("edge", {2, 3}).ExpectOutput<int32_t>({9}, {1, 1, 1, 2, 3, 4, 4, 4, 4}).Run();
  PadRow("reflect", {3, 2}).ExpectOutput<int32_t>({9}, {4, 3, 2, 1, 2, 3, 4, 3, 2}).Run();
  PadRow("wrap", {2, 3}).ExpectOutput<int32_t>({9}, {3, 4, 1, 2, 3, 4, 1, 2, 3}).Run();
}

TEST(Pad, GoesRoundMoreThanOnce) {
  PadRow("reflect", {0, 8}).ExpectOutput<int32_t>({12}, {1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3, 2}).Run();
  PadRow("wrap", {9, 0}).ExpectOutput<int32_t>({13}, {4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}).Run();
  OpTester("Pad", 13)
      .Attr("mode", "reflect")
      .Input<float>({1}, {7})
      .Input<int64_t>({2}, {1, 2})
      .ExpectOutput<float>({4}, {7, 7, 7, 7})
      .Run();
}

TEST(Pad, CutsOffWhereNumbersAreNegative) {
  PadRow("constant", {-1, -2}).ExpectOutput<int32_t>({1}, {2}).Run();
  PadRow("constant", {-1, 2}).ExpectOutput<int32_t>({5}, {2, 3, 4, 0, 0}).Run();
  PadRow("constant", {-6, 5}).ExpectOutput<int32_t>({3}, {0, 0, 0}).Run();
  PadRow("constant", {5, -6}).ExpectOutput<int32_t>({3}, {0, 0, 0}).Run();
  PadRow("edge", {-1, 2}).ExpectOutput<int32_t>({5}, {2, 3, 4, 4, 4}).Run();
  PadRow("reflect", {2, -1}).ExpectOutput<int32_t>({5}, {3, 2, 1, 2, 3}).Run();
}

TEST(Pad, RepeatsAlongSeveralAxes) {
  OpTester("Pad", 13)
      .Attr("mode", "reflect")
      .Weight<double>({2, 3}, {1, 2, 3, 4, 5, 6})
      .Constant<int64_t>({4}, {1, 1, 0, 1})
      .ExpectOutput<double>({3, 5}, {5, 4, 5, 6, 5, 2, 1, 2, 3, 2, 5, 4, 5, 6, 5})
      .Run();
}

TEST(Pad, TakesAxesFromVersion18) {
  OpTester("Pad", 18)
      .Input<float>({2, 1}, {1, 2})
      .Input<int64_t>({2}, {1, 0})
      .NoInput()
      .Input<int64_t>({1}, {-1})
      .ExpectOutput<float>({2, 2}, {0, 1, 0, 2})
      .Run();
  OpTester("Pad", 18)
      .Input<float>({1}, {1})
      .Input<int64_t>({4}, {1, 1, 1, 1})
      .NoInput()
      .Input<int64_t>({2}, {0, 0})
      .ExpectError("attribute_invalid");
  OpTester("Pad", 17)
      .Input<float>({1}, {1})
      .Input<int64_t>({2}, {1, 1})
      .NoInput()
      .Input<int64_t>({1}, {0})
      .ExpectError("input_invalid");
}

TEST(Pad, ReadsAttributesBeforeVersion11) {
  OpTester("Pad", 2)
      .Ints("pads", {1, 0})
      .Attr("value", 3.0f)
      .Input<float>({1}, {1})
      .ExpectOutput<float>({2}, {3, 1})
      .Run();
  OpTester("Pad", 10)
      .Ints("pads", {1, 1})
      .Attr("mode", "edge")
      .Input<double>({2}, {1, 2})
      .ExpectOutput<double>({4}, {1, 1, 2, 2})
      .Run();
  OpTester("Pad", 10).Ints("pads", {1}).Input<float>({1}, {1}).ExpectError("input_invalid");
  OpTester("Pad", 10)
      .Input<float>({1}, {1})
      .Input<int64_t>({2}, {0, 0})
      .ExpectError("input_invalid");
}

TEST(Pad, TakesEmptyTensorsScalarsAndNoPads) {
  OpTester("Pad", 13)
      .Input<float>({0, 1}, {})
      .Input<int64_t>({4}, {1, 0, 1, 1})
      .Input<float>({}, {5})
      .ExpectOutput<float>({2, 2}, {5, 5, 5, 5})
      .Run();
  OpTester("Pad", 13)
      .Input<float>({}, {1})
      .Input<int64_t>({0}, {})
      .ExpectOutput<float>({}, {1})
      .Run();
  PadRow("edge", {0, 0}).ExpectOutput<int32_t>({4}, {1, 2, 3, 4}).Run();
  PadRow("edge", {-4, 0}).ExpectOutput<int32_t>({0}, {}).Run();
}

TEST(Pad, RefusesWhatDoesntFit) {
  PadRow("constant", {-3, -2}).ExpectError("shape_invalid");
  PadRow("edge", {-4, 1}).ExpectError("shape_invalid");
  OpTester("Pad", 13)
      .Attr("mode", "edge")
      .Input<float>({0}, {})
      .Input<int64_t>({2}, {1, 1})
      .ExpectError("shape_invalid");
  PadRow("constant", {1}).ExpectError("input_invalid");
  PadRow("constant", {INT64_MIN, INT64_MAX}).ExpectError("input_invalid");
  PadRow("constant", {int64_t{1} << 42, 0}).ExpectError("size_overflow");
  PadRow("edge", {int64_t{1} << 40, 0}).ExpectError("session_memory_exceeded");
  PadRow("constant", {1, 1}).Input<float>({}, {1}).ExpectError("input_invalid");
  PadRow("constant", {1, 1}).Input<int32_t>({2}, {1, 2}).ExpectError("input_invalid");
  PadRow("wrap", {1, 1}, 18).ExpectError("attribute_invalid");
  PadRow("other", {1, 1}).ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
