#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

const std::vector<float> kX = {-1, -0.5,  0.25, 0.75,  -0.25, -0.25, -0.25, 0.25, 0.5,
                               1,  -0.25, 0.5,  -0.25, 0.75,  -0.5,  0.75,  0,    0.5};
const std::vector<float> kKernel = {0,  -0.25, 0, -1,   -1,  0, 0,    0.75,
                                    -1, 0,     0, 0.25, 0.5, 0, 0.25, 0};
const std::vector<float> kOffsets = {0.5, -1, 0,  0.5, -1,   2,  1,  2,    -1, 0,   -1,
                                     -2,  -2, -1, 1.5, -1.5, 1,  -1, -1.5, -1, 0.5, 0,
                                     0,   0,  -1, 0,   1.5,  -1, 1,  -1,   -1, -0.5};
const std::vector<float> kMask = {-0.75, 0.75, -0.25, -0.75, -1,   -1,   -0.5,  -0.25,
                                  0.25,  1,    0.75,  -0.5,  0.25, 0.75, -0.75, 0.75};
const std::vector<float> kBias = {-0.25, 0.5};
const std::vector<float> kY = {-0.21875,  0.234375, -0.046875, 0.0078125,
                               0.5390625, 0.390625, 0.4140625, 0.359375};

TEST(DeformConv, MovesTapsByOffsetsAndWeighsThem) {
  OpTester test("DeformConv", 19);
  test.Input<float>({1, 2, 3, 3}, kX).Input<float>({2, 2, 2, 2}, kKernel);
  test.Input<float>({1, 8, 2, 2}, kOffsets).Input<float>({2}, kBias);
  test.Input<float>({1, 4, 2, 2}, kMask).ExpectOutput<float>({1, 2, 2, 2}, kY).Run();
}

TEST(DeformConv, TakesASealedKernelPanelByPanel) {
  OpTester test("DeformConv", 22);
  test.Input<float>({1, 2, 3, 3}, kX).Weight<float>({2, 2, 2, 2}, kKernel, 1);
  test.Weight<float>({1, 8, 2, 2}, kOffsets).Weight<float>({2}, kBias);
  test.Weight<float>({1, 4, 2, 2}, kMask).ExpectOutput<float>({1, 2, 2, 2}, kY).Run();
}

TEST(DeformConv, HasGroupsOfChannelsAndOfOffsets) {
  OpTester test("DeformConv", 22);
  test.Attr("group", 2).Attr("offset_group", 2).Ints("pads", {1, 0, 1, 0});
  test.Ints("strides", {1, 2}).Ints("dilations", {2, 1}).Ints("kernel_shape", {2, 1});
  test.Input<float>({1, 2, 3, 3}, kX);
  test.Weight<float>({4, 1, 2, 1}, {-0.25, 0.25, 0, -0.75, 0.5, 0.75, 0, -0.25}, 3);
  test.Input<float>(
      {1, 8, 3, 2},
      {1,    -0.25, 0.75,  -0.25, -0.25, -0.25, -1,    -0.5,  -0.5,  -1,    0,     0,
       -1,   -0.75, 0.75,  -0.75, -0.25, 1,     -0.75, -0.25, 0.5,   -1,    -0.75, 0.75,
       0.25, -0.5,  0,     -0.5,  0.75,  1,     -0.75, 0,     -0.75, -0.25, 0.5,   0.5,
       -0.5, -0.25, -0.25, -0.25, 0.25,  0.5,   -0.25, 0,     -0.75, -0.25, 1,     0});
  test.ExpectOutput<float>(
          {1, 4, 3, 2},
          {-0.0625,  -0.00390625, -0.0390625, 0.0625, -0.08203125, 0.03125,     0.1875,  0.01171875,
           0,        0.09375,     0.01171875, 0,      0.2421875,   -0.1875,     0.21875, 0.25390625,
           0.171875, 0.125,       -0.0703125, 0.0625, -0.03125,    -0.05859375, 0,       0})
      .Run();
}

TEST(DeformConv, IsAConvolutionWhereNothingMoves) {
  // More pixels than are laid out at a time at least.
  constexpr int64_t kSide = 33;
  std::vector<float> x(2 * kSide * kSide);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) - 6;
  OpTester conv("Conv", 11);
  conv.Ints("pads", {1, 1, 1, 1}).Input<float>({1, 2, kSide, kSide}, x);
  conv.Input<float>({2, 2, 2, 2}, kKernel).Input<float>({2}, kBias);
  const auto expected = conv.Outputs();
  ASSERT_TRUE(expected.has_value());
  const int64_t made = kSide + 1;
  OpTester test("DeformConv", 19);
  test.Ints("pads", {1, 1, 1, 1}).Input<float>({1, 2, kSide, kSide}, x);
  test.Input<float>({2, 2, 2, 2}, kKernel);
  test.Input<float>({1, 8, made, made}, std::vector<float>(8 * made * made))
      .Input<float>({2}, kBias);
  test.ExpectOutput<float>({1, 2, made, made}, (*expected)[0].Values<float>()).Run();
}

TEST(DeformConv, SeesNothingOutsideHoweverFar) {
  for (const float offset : {1e30F, -1e30F, INFINITY, NAN}) {
    OpTester test("DeformConv", 19);
    test.Input<float>({1, 1, 1, 1}, {3}).Input<float>({1, 1, 1, 1}, {2});
    test.Input<float>({1, 2, 1, 1}, {offset, 0}).Input<float>({1}, {5});
    test.ExpectOutput<float>({1, 1, 1, 1}, {5}).Run();
  }
}

TEST(DeformConv, RefusesWhatDoesNotFit) {
  const auto with = [](Shape x, Shape w, Shape offsets) {
    OpTester test("DeformConv", 19);
    for (const Shape& shape : {x, w, offsets}) {
      int64_t count = 1;
      for (const int64_t extent : shape) count *= extent;
      test.Input<float>(shape, std::vector<float>(static_cast<size_t>(count)));
    }
    return test;
  };
  with({1, 1, 2, 2}, {1, 1, 2, 2}, {1, 7, 1, 1}).ExpectError("shape_invalid");
  with({1, 1, 2, 2}, {1, 1, 2, 2}, {1, 8, 2, 1}).ExpectError("shape_invalid");
  with({1, 2, 2, 2}, {1, 1, 2, 2}, {1, 8, 1, 1}).ExpectError("shape_invalid");
  with({1, 1, 2}, {1, 1, 2}, {1, 2, 1}).ExpectError("operator_unsupported");
  with({1, 1, 2, 2}, {1, 1, 2, 2}, {1, 8, 1, 1}).Attr("group", 0).ExpectError("attribute_invalid");
  with({1, 1, 2, 2}, {1, 1, 2, 2}, {1, 8, 1, 1})
      .Attr("offset_group", 2)
      .ExpectError("shape_invalid");
}

TEST(DeformConv, MakesNothingOfNothing) {
  OpTester test("DeformConv", 19);
  test.Input<float>({0, 1, 2, 2}, {}).Input<float>({1, 1, 2, 2}, {1, 2, 3, 4});
  test.Input<float>({0, 8, 1, 1}, {}).ExpectOutput<float>({0, 1, 1, 1}, {}).Run();
}

}  // namespace
}  // namespace ephemeralml::engine
