#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

TEST(Shape, TellsTheShape) {
  OpTester("Shape", 13).Input<float>({2, 0, 3}, {}).ExpectOutput<int64_t>({3}, {2, 0, 3}).Run();
  OpTester("Shape", 1).Input<bool>({}, {true}).ExpectOutput<int64_t>({0}, {}).Run();
}

TEST(Shape, TellsAPartFromVersion15) {
  const auto part = [](int start, int end) {
    OpTester test("Shape", 15);
    test.Attr("start", start).Attr("end", end).Input<float>({2, 1, 3}, std::vector<float>(6));
    return test;
  };
  part(1, 2).ExpectOutput<int64_t>({1}, {1}).Run();
  part(-2, 100).ExpectOutput<int64_t>({2}, {1, 3}).Run();
  part(-100, -1).ExpectOutput<int64_t>({2}, {2, 1}).Run();
  part(2, 1).ExpectOutput<int64_t>({0}, {}).Run();
  OpTester("Shape", 14)
      .Attr("start", 1)
      .Input<float>({2}, {1, 2})
      .ExpectOutput<int64_t>({1}, {2})
      .Run();
}

TEST(Size, CountsElements) {
  OpTester("Size").Input<float>({2, 3}, std::vector<float>(6)).ExpectOutput<int64_t>({}, {6}).Run();
  OpTester("Size").Input<float>({2, 0}, {}).ExpectOutput<int64_t>({}, {0}).Run();
  OpTester("Size").Input<float>({}, {1}).ExpectOutput<int64_t>({}, {1}).Run();
}

TEST(Shape, RefusesAnInputLeftOut) {
  OpTester("Shape").NoInput().ExpectError("input_invalid");
  OpTester("Size").NoInput().ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
