#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/reference/conv.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::PatternValues;
using testing::RandomValues;

// The case whose numbers ONNX Runtime 1.30 computed: X [1,2,2,3], W [2,2,3,3], two channels of 5
// x 7.
OpTester Known() {
  OpTester test("ConvTranspose", 11);
  test.Ints("strides", {2, 2}).Input<float>({1, 2, 2, 3}, PatternValues(12, 1));
  test.Weight<float>({2, 2, 3, 3}, PatternValues(36, 2), 1).Input<float>({2}, PatternValues(2, 3));
  return test;
}

const std::vector<std::vector<float>> kKnownFirstChannel = {
    {-3.046875f, 2.203125f, 0.28125f, -1.171875f, 0.78125f, -4.546875f, -2.546875f},
    {-1.796875f, -3.796875f, 1.53125f, -1.171875f, -0.46875f, 1.453125f, -3.796875f},
    {-0.34375f, -3.328125f, -5.96875f, 1.015625f, 0, -0.984375f, 1.765625f},
    {-1.28125f, -0.90625f, -2.203125f, -2.8125f, 0.78125f, -0.1875f, -2.15625f},
    {-1.515625f, -1.140625f, -0.296875f, -2.03125f, -3.4375f, -0.65625f, 0.09375f}};

// Rows and columns of the known case from (row, column) on.
void ExpectPart(OpTester test, int64_t row, int64_t column, int64_t rows, int64_t columns) {
  const auto outputs = test.Outputs();
  ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
  ASSERT_EQ((*outputs)[0].shape, (Shape{1, 2, rows, columns}));
  const auto y = (*outputs)[0].Values<float>();
  for (int64_t i = 0; i < rows * columns; ++i) {
    const auto& line = kKnownFirstChannel[static_cast<size_t>(row + i / columns)];
    EXPECT_NEAR(y[static_cast<size_t>(i)], line[static_cast<size_t>(column + i % columns)], 1e-5);
  }
}

TEST(ConvTranspose, CutsItsOutputAsItsAttributesSay) {
  ExpectPart(Known(), 0, 0, 5, 7);
  ExpectPart(Known().Ints("pads", {1, 2, 0, 1}), 1, 2, 4, 4);
  ExpectPart(Known().Ints("output_shape", {4, 6}), 1, 1, 4, 6);
  ExpectPart(Known().Ints("output_shape", {4, 6}).Attr("auto_pad", "SAME_UPPER"), 0, 0, 4, 6);
  ExpectPart(Known().Ints("output_shape", {4, 6}).Attr("auto_pad", "SAME_LOWER"), 1, 1, 4, 6);
  ExpectPart(Known().Attr("auto_pad", "SAME_UPPER"), 0, 0, 4, 6);
  ExpectPart(Known().Attr("auto_pad", "SAME_LOWER"), 1, 1, 4, 6);
  ExpectPart(Known().Attr("auto_pad", "VALID"), 0, 0, 5, 7);
}

TEST(ConvTranspose, FillsOutputPaddingWithTheBias) {
  const auto outputs = Known().Ints("output_padding", {1, 1}).Outputs();
  ASSERT_TRUE(outputs.has_value());
  ASSERT_EQ((*outputs)[0].shape, (Shape{1, 2, 6, 8}));
  const auto y = (*outputs)[0].Values<float>();
  EXPECT_NEAR(y[0], kKnownFirstChannel[0][0], 1e-5);
  EXPECT_EQ(y[47], PatternValues(2, 3)[0]);
}

TEST(ConvTranspose, IsTheGradientOfConv) {
  EXPECT_TRUE(rc::check([] {
    ConvShape s;  // of the convolution: this operator reads its output
    Window& w = s.window;
    w.axes = *rc::gen::inRange<size_t>(1, 4);
    s.batch = *rc::gen::inRange<int64_t>(1, 3);
    s.groups = *rc::gen::element<int64_t>(1, 1, 2, 3);
    s.in_channels = s.groups * *rc::gen::inRange<int64_t>(1, 4);
    s.out_channels = s.groups * *rc::gen::inRange<int64_t>(1, 8);
    std::vector<int64_t> strides, dilations, pads, ends;
    for (size_t i = kSpatialAxes - w.axes; i < kSpatialAxes; ++i) {
      w.kernel[i] = *rc::gen::inRange<int64_t>(1, 4);
      w.stride[i] = *rc::gen::inRange<int64_t>(1, 4);
      w.dilation[i] = *rc::gen::inRange<int64_t>(1, 3);
      w.output[i] = *rc::gen::inRange<int64_t>(1, 8);
      const int64_t whole = (w.output[i] - 1) * w.stride[i] + w.Reach(i);
      w.pad_begin[i] = *rc::gen::inRange<int64_t>(0, std::min<int64_t>(whole, 3));
      w.pad_end[i] = *rc::gen::inRange<int64_t>(0, std::min<int64_t>(whole - w.pad_begin[i], 3));
      w.input[i] = whole - w.pad_begin[i] - w.pad_end[i];
      strides.push_back(w.stride[i]);
      dilations.push_back(w.dilation[i]);
      pads.push_back(w.pad_begin[i]);
      ends.push_back(w.pad_end[i]);
    }
    pads.insert(pads.end(), ends.begin(), ends.end());
    const Shape x_shape = WindowShape(s.batch, s.out_channels, w, w.output);
    const Shape kernel_shape = WindowShape(s.out_channels, s.group_inputs(), w, w.kernel);
    const auto x = RandomValues(*ElementCount(x_shape), 1);
    const auto kernel = RandomValues(*ElementCount(kernel_shape), 2);
    const auto bias = RandomValues(static_cast<size_t>(s.in_channels), 3);
    OpTester test("ConvTranspose", 11);
    test.Attr("group", static_cast<int>(s.groups)).Ints("strides", strides);
    test.Ints("dilations", dilations).Ints("pads", pads);
    test.ThreadCount(*rc::gen::inRange<size_t>(1, 4)).Tolerance(1e-4, 1e-5);
    test.Input<float>(x_shape, x);
    if (*rc::gen::arbitrary<bool>()) {
      test.Weight<float>(kernel_shape, kernel, *rc::gen::inRange<uint64_t>(0, 10));
    } else {
      test.Input<float>(kernel_shape, kernel);
    }
    test.Weight<float>({s.in_channels}, bias);
    test.ExpectOutput<float>(WindowShape(s.batch, s.in_channels, w, w.input),
                             reference::ConvTransposePlain(s, x, kernel, bias));
    test.Run();
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

// Large enough for several stages.
TEST(ConvTranspose, AgreesWhenLarge) {
  ConvShape s;
  s.batch = 3;
  s.in_channels = 24;
  s.out_channels = 8;
  s.window.axes = 2;
  s.window.kernel = {1, 2, 2};
  s.window.stride = {1, 2, 2};
  s.window.output = {1, 150, 120};
  s.window.input = {1, 300, 240};
  const auto x = RandomValues(static_cast<size_t>(s.batch * 8 * s.output_plane()), 1);
  const auto kernel = RandomValues(static_cast<size_t>(8 * s.taps()), 2);
  OpTester("ConvTranspose", 11)
      .Ints("strides", {2, 2})
      .Tolerance(1e-4, 1e-5)
      .Input<float>({3, 8, 150, 120}, x)
      .Weight<float>({8, 24, 2, 2}, kernel, 3)
      .ExpectOutput<float>({3, 24, 300, 240}, reference::ConvTransposePlain(s, x, kernel, {}))
      .Run();
}

TEST(ConvTranspose, MakesNothingOfNoImages) {
  OpTester("ConvTranspose", 11)
      .Input<float>({0, 2, 5}, {})
      .Weight<float>({2, 3, 2}, std::vector<float>(12))
      .ExpectOutput<float>({0, 3, 6}, {})
      .Run();
}

TEST(ConvTranspose, RefusesWhatDoesNotFit) {
  Known().Ints("output_padding", {-1, 0}).ExpectError("attribute_invalid");
  Known().Ints("output_padding", {0}).ExpectError("attribute_invalid");
  Known().Ints("output_shape", {0, 4}).ExpectError("attribute_invalid");
  Known().Ints("output_shape", {4, 4, 4}).ExpectError("attribute_invalid");
  Known().Ints("pads", {3, 0, 3, 0}).ExpectError("shape_invalid");
  Known().Attr("group", 3).ExpectError("shape_invalid");
  Known().Attr("group", -1).ExpectError("attribute_invalid");
  Known().Attr("group", 2).ExpectError("shape_invalid");  // then the bias is too short
  Known().Ints("output_shape", {1 << 30, 1 << 30}).ExpectError("size_overflow");
  Known().Ints("strides", {1 << 30, 1 << 30}).ExpectError("size_overflow");
  OpTester("ConvTranspose", 11)
      .Input<float>({1, 2, 3}, std::vector<float>(6))
      .Weight<float>({3, 1, 1}, std::vector<float>(3))
      .ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
