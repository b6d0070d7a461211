#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

TEST(Split, CutsIntoEqualPartsByDefault) {
  OpTester("Split", 13)
      .Input<float>({6}, kSix)
      .ExpectOutput<float>({2}, {1, 2})
      .ExpectOutput<float>({2}, {3, 4})
      .ExpectOutput<float>({2}, {5, 6})
      .Run();
  OpTester("Split", 2)
      .Attr("axis", 1)
      .Input<float>({3, 2}, kSix)
      .ExpectOutput<float>({3, 1}, {1, 3, 5})
      .ExpectOutput<float>({3, 1}, {2, 4, 6})
      .Run();
}

TEST(Split, TakesLengthsFromTheAttributeBeforeVersion13) {
  OpTester("Split", 11)
      .Ints("split", {1, 2})
      .Attr("axis", -1)
      .Input<float>({2, 3}, kSix)
      .ExpectOutput<float>({2, 1}, {1, 4})
      .ExpectOutput<float>({2, 2}, {2, 3, 5, 6})
      .Run();
  OpTester("Split", 11)
      .Input<float>({6}, kSix)
      .Input<int64_t>({1}, {6})
      .ExpectError("input_invalid");
}

TEST(Split, TakesLengthsFromTheInputFromVersion13) {
  OpTester("Split", 13)
      .Weight<float>({6}, kSix)
      .Constant<int64_t>({3}, {4, 0, 2})
      .ExpectOutput<float>({4}, {1, 2, 3, 4})
      .ExpectOutput<float>({0}, {})
      .ExpectOutput<float>({2}, {5, 6})
      .Run();
}

TEST(Split, SkipsOutputsThatNobodyReads) {
  OpTester("Split", 13)
      .Input<float>({6}, kSix)
      .UnwantedOutput()
      .ExpectOutput<float>({3}, {4, 5, 6})
      .Run();
}

TEST(Split, MakesTheLastPartSmallerIfNumOutputsAsksForIt) {
  OpTester("Split", 18)
      .Attr("num_outputs", 2)
      .Input<float>({5}, {1, 2, 3, 4, 5})
      .ExpectOutput<float>({3}, {1, 2, 3})
      .ExpectOutput<float>({2}, {4, 5})
      .Run();
  OpTester("Split", 18)
      .Attr("num_outputs", 3)
      .Input<float>({1}, {1})
      .ExpectOutput<float>({1}, {1})
      .ExpectOutput<float>({0}, {})
      .ExpectOutput<float>({0}, {})
      .Run();
  OpTester("Split", 18)
      .Attr("num_outputs", 2)
      .Input<float>({1}, {1})
      .ExpectError("attribute_invalid");
}

TEST(Split, TakesEmptyTensors) {
  OpTester("Split", 13)
      .Attr("axis", 1)
      .Input<float>({0, 4}, {})
      .ExpectOutput<float>({0, 2}, {})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

TEST(Split, RefusesLengthsThatDontFit) {
  OpTester("Split", 13)
      .Input<float>({5}, {1, 2, 3, 4, 5})
      .ExpectOutput<float>({1}, {1})
      .ExpectOutput<float>({1}, {1})
      .ExpectError("shape_invalid");
  for (const std::vector<int64_t>& lengths : {std::vector<int64_t>{5}, {7}, {-1}, {3, 3}, {}}) {
    OpTester("Split", 13)
        .Input<float>({6}, kSix)
        .Input<int64_t>({std::ssize(lengths)}, lengths)
        .ExpectError("input_invalid");
  }
  OpTester("Split", 13)
      .Input<float>({6}, kSix)
      .Input<int64_t>({2}, {INT64_MAX, INT64_MAX})
      .ExpectOutput<float>({1}, {1})
      .ExpectOutput<float>({1}, {1})
      .ExpectError("size_overflow");
  OpTester("Split", 13).Attr("axis", 1).Input<float>({6}, kSix).ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
