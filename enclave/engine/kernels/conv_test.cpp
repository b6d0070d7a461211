#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/reference/conv.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

TEST(Conv, SlidesAKernelOverOneAxis) {
  OpTester test("Conv", 11);
  test.Ints("pads", {1, 1}).Input<float>({1, 1, 4}, {1, 2, 3, 4});
  test.Weight<float>({1, 1, 3}, {1, 10, 100}).Weight<float>({1}, {0.5f});
  test.ExpectOutput<float>({1, 1, 4}, {210.5f, 321.5f, 432.5f, 43.5f}).Run();
}

TEST(Conv, PadsSameAtTheSideThatIsAskedFor) {
  for (const auto& [mode, expected] :
       {std::pair("SAME_UPPER", std::vector<float>{3, 5, 7, 4}), {"SAME_LOWER", {1, 3, 5, 7}}}) {
    OpTester("Conv", 11)
        .Attr("auto_pad", mode)
        .Input<float>({1, 1, 4}, {1, 2, 3, 4})
        .Input<float>({1, 1, 2}, {1, 1})
        .ExpectOutput<float>({1, 1, 4}, expected)
        .Run();
  }
  OpTester("Conv", 11)
      .Attr("auto_pad", "SAME_UPPER")
      .Ints("strides", {2})
      .Input<float>({1, 1, 5}, {1, 2, 3, 4, 5})
      .Input<float>({1, 1, 2}, {1, 1})
      .ExpectOutput<float>({1, 1, 3}, {3, 7, 5})
      .Run();
  OpTester("Conv", 11)
      .Attr("auto_pad", "VALID")
      .Input<float>({1, 1, 4}, {1, 2, 3, 4})
      .Input<float>({1, 1, 2}, {1, 1})
      .ExpectOutput<float>({1, 1, 3}, {3, 5, 7})
      .Run();
}

// A convolution that fits together, with its attributes as the node would say them.
struct AnyConv {
  ConvShape shape;
  std::vector<int64_t> strides, dilations, pads;

  static AnyConv Make() {
    AnyConv made;
    ConvShape& s = made.shape;
    Window& w = s.window;
    w.axes = *rc::gen::inRange<size_t>(1, 4);
    s.batch = *rc::gen::inRange<int64_t>(1, 3);
    s.groups = *rc::gen::element<int64_t>(1, 1, 2, 5);
    s.in_channels = s.groups * *rc::gen::element<int64_t>(1, 1, 3, 20);
    s.out_channels = s.groups * *rc::gen::element<int64_t>(1, 2, 40);
    std::vector<int64_t> ends;
    const int64_t most = w.axes == 1 ? 60 : w.axes == 2 ? 14 : 7;
    for (size_t i = kSpatialAxes - w.axes; i < kSpatialAxes; ++i) {
      w.kernel[i] = *rc::gen::inRange<int64_t>(1, 5);
      w.stride[i] = *rc::gen::element<int64_t>(1, 1, 2, 3);
      w.dilation[i] = *rc::gen::element<int64_t>(1, 1, 2);
      w.pad_begin[i] = *rc::gen::inRange<int64_t>(0, 4);
      w.pad_end[i] = *rc::gen::inRange<int64_t>(0, 4);
      const int64_t least = std::max<int64_t>(w.Reach(i) - w.pad_begin[i] - w.pad_end[i], 1);
      w.input[i] = least + *rc::gen::inRange<int64_t>(0, most);
      w.output[i] = (w.input[i] + w.pad_begin[i] + w.pad_end[i] - w.Reach(i)) / w.stride[i] + 1;
      made.strides.push_back(w.stride[i]);
      made.dilations.push_back(w.dilation[i]);
      made.pads.push_back(w.pad_begin[i]);
      ends.push_back(w.pad_end[i]);
    }
    made.pads.insert(made.pads.end(), ends.begin(), ends.end());
    return made;
  }

  Shape KernelShape() const {
    return WindowShape(shape.out_channels, shape.group_inputs(), shape.window, shape.window.kernel);
  }
};

std::vector<float> Random(const Shape& shape, uint64_t seed) {
  return RandomValues(*ElementCount(shape), seed);
}

TEST(Conv, AgreesWithItsDefinition) {
  EXPECT_TRUE(rc::check([] {
    const AnyConv conv = AnyConv::Make();
    const ConvShape& s = conv.shape;
    const Shape x_shape = WindowShape(s.batch, s.in_channels, s.window, s.window.input);
    const auto x = Random(x_shape, 1);
    const auto kernel = Random(conv.KernelShape(), 2);
    const bool biased = *rc::gen::arbitrary<bool>();
    const auto bias = biased ? Random({s.out_channels}, 3) : std::vector<float>();
    OpTester test("Conv", 11);
    test.Attr("group", static_cast<int>(s.groups)).Ints("strides", conv.strides);
    test.Ints("dilations", conv.dilations).Ints("pads", conv.pads);
    test.ThreadCount(*rc::gen::inRange<size_t>(1, 4)).Tolerance(1e-4, 1e-5);
    test.Input<float>(x_shape, x);
    if (*rc::gen::arbitrary<bool>()) {
      test.Weight<float>(conv.KernelShape(), kernel, *rc::gen::inRange<uint64_t>(0, 50));
    } else {
      test.Input<float>(conv.KernelShape(), kernel);
    }
    if (biased) test.Weight<float>({s.out_channels}, bias);
    test.ExpectOutput<float>(WindowShape(s.batch, s.out_channels, s.window, s.window.output),
                             reference::ConvPlain(s, x, kernel, bias));
    test.Run();
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

// Large enough for several tiles, stages and blocks of channels.
TEST(Conv, AgreesWithItsDefinitionWhenLarge) {
  for (const auto& [in, out, kernel_size, size] :
       {std::tuple(3, 70, 3, 150), {200, 100, 1, 40}, {500, 130, 3, 33}}) {
    ConvShape s;
    s.batch = 2;
    s.in_channels = in;
    s.out_channels = out;
    s.window.axes = 2;
    s.window.input = {1, size, size};
    s.window.kernel = {1, kernel_size, kernel_size};
    s.window.output = {1, size - kernel_size + 1, size - kernel_size + 1};
    const auto x = RandomValues(static_cast<size_t>(s.batch * in * size * size), 1);
    const auto kernel = RandomValues(static_cast<size_t>(out * s.taps()), 2);
    const auto bias = RandomValues(static_cast<size_t>(out), 3);
    // The definition for all pixels takes long: for one output channel of the last image.
    ConvShape one = s;
    one.batch = one.out_channels = 1;
    const auto x_last = std::vector<float>(x.begin() + in * size * size, x.end());
    const auto expected =
        reference::ConvPlain(one, x_last, {kernel.end() - s.taps(), kernel.end()}, {bias.back()});
    for (const bool sealed : {false, true}) {
      OpTester test("Conv", 11);
      test.Input<float>(WindowShape(2, in, s.window, s.window.input), x);
      const Shape shape = {out, in, kernel_size, kernel_size};
      if (sealed) test.Weight<float>(shape, kernel, 8);
      if (!sealed) test.Input<float>(shape, kernel);
      const auto outputs = test.Input<float>({out}, bias).Outputs();
      ASSERT_TRUE(outputs.has_value()) << outputs.error().what;
      const auto y = (*outputs)[0].Values<float>();
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(y[y.size() - expected.size() + i], expected[i], 2e-3);
      }
    }
  }
}

TEST(Conv, MakesNothingOfNoImages) {
  OpTester("Conv", 11)
      .Input<float>({0, 2, 5}, {})
      .Weight<float>({3, 2, 2}, std::vector<float>(12))
      .ExpectOutput<float>({0, 3, 4}, {})
      .Run();
}

OpTester Small() {
  OpTester test("Conv", 11);
  test.Input<float>({1, 2, 3, 3}, std::vector<float>(18));
  test.Weight<float>({2, 2, 2, 2}, std::vector<float>(16));
  return test;
}

TEST(Conv, RefusesImpossibleAttributes) {
  Small().Ints("strides", {1, 0}).ExpectError("attribute_invalid");
  Small().Ints("strides", {1}).ExpectError("attribute_invalid");
  Small().Ints("dilations", {-1, 1}).ExpectError("attribute_invalid");
  Small().Ints("pads", {0, 0, -1, 0}).ExpectError("attribute_invalid");
  Small().Ints("pads", {0, 0, 0}).ExpectError("attribute_invalid");
  Small().Ints("pads", {0, 0, INT64_MAX, 0}).ExpectError("attribute_invalid");
  Small().Attr("auto_pad", "SOME").ExpectError("attribute_invalid");
  Small().Attr("group", 0).ExpectError("attribute_invalid");
  Small().Attr("strides", 1).ExpectError("attribute_invalid");
  Small().Ints("kernel_shape", {2, 3}).ExpectError("shape_invalid");
}

TEST(Conv, RefusesShapesThatDoNotFit) {
  Small().Attr("group", 2).ExpectError("shape_invalid");
  Small().Attr("group", 3).ExpectError("shape_invalid");
  Small().Ints("dilations", {3, 1}).ExpectError("shape_invalid");
  Small().Input<float>({3}, std::vector<float>(3)).ExpectError("shape_invalid");
  const auto expect = [](const Shape& x, const Shape& w, std::string_view reason) {
    OpTester("Conv", 11)
        .Input<float>(x, std::vector<float>(*ElementCount(x)))
        .Input<float>(w, std::vector<float>(*ElementCount(w)))
        .ExpectError(reason);
  };
  expect({1, 2}, {2, 2}, "shape_invalid");
  expect({1, 2, 3}, {2, 2, 2, 2}, "shape_invalid");
  expect({1, 2, 0}, {2, 2, 1}, "shape_invalid");
  expect({1, 0, 3}, {2, 0, 1}, "shape_invalid");
  expect({1, 2, 3}, {2, 2, 0}, "shape_invalid");
  expect({1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}, "operator_unsupported");
}

TEST(Conv, RefusesOtherTypesAndHugeOutputs) {
  OpTester("Conv", 11)
      .Input<double>({1, 1, 1}, {1})
      .Input<double>({1, 1, 1}, {1})
      .ExpectError("type_unsupported");
  Small().Ints("pads", {1 << 29, 1 << 29, 0, 0}).ExpectError("size_overflow");
  Small().Ints("pads", {1 << 15, 1 << 15, 0, 0}).ExpectError("session_memory_exceeded");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
