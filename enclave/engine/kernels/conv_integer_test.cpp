#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

template <class T>
std::vector<T> RandomBytes(size_t count, uint64_t seed) {
  std::vector<T> bytes(count);
  const std::vector<float> values = RandomValues(count, seed);
  for (size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<T>(static_cast<int>(std::floor(values[i] * 64)));
  }
  return bytes;
}

// A convolution over two axes: strides and dilations in height and width, pads as ONNX lists them.
struct Case {
  int batch = 1;
  int channels = 1;
  int height = 1;
  int width = 1;
  int outputs = 1;
  int kernel_height = 1;
  int kernel_width = 1;
  int groups = 1;
  std::array<int, 2> strides = {1, 1};
  std::array<int, 2> dilations = {1, 1};
  std::array<int, 4> pads = {0, 0, 0, 0};

  int out_height() const {
    return (height + pads[0] + pads[2] - (kernel_height - 1) * dilations[0] - 1) / strides[0] + 1;
  }
  int out_width() const {
    return (width + pads[1] + pads[3] - (kernel_width - 1) * dilations[1] - 1) / strides[1] + 1;
  }
  Shape x_shape() const { return {batch, channels, height, width}; }
  Shape w_shape() const { return {outputs, channels / groups, kernel_height, kernel_width}; }
  Shape y_shape() const { return {batch, outputs, out_height(), out_width()}; }
};

// By the definition.
template <class X, class W>
std::vector<int32_t> Plain(const Case& c, const std::vector<X>& x, const std::vector<W>& w,
                           int zero_of_x, const std::vector<int>& zero_of_w) {
  std::vector<int32_t> y;
  const int in_group = c.channels / c.groups;
  for (int n = 0; n < c.batch; ++n) {
    for (int m = 0; m < c.outputs; ++m) {
      for (int row = 0; row < c.out_height(); ++row) {
        for (int column = 0; column < c.out_width(); ++column) {
          int sum = 0;
          for (int tap = 0; tap < in_group * c.kernel_height * c.kernel_width; ++tap) {
            const int channel = tap / (c.kernel_height * c.kernel_width);
            const int at_y = row * c.strides[0] - c.pads[0] +
                             tap / c.kernel_width % c.kernel_height * c.dilations[0];
            const int at_x =
                column * c.strides[1] - c.pads[1] + tap % c.kernel_width * c.dilations[1];
            if (at_y < 0 || at_y >= c.height || at_x < 0 || at_x >= c.width) continue;
            const int plane = n * c.channels + m / (c.outputs / c.groups) * in_group + channel;
            const int left = x[static_cast<size_t>((plane * c.height + at_y) * c.width + at_x)];
            const int right =
                w[static_cast<size_t>(m * in_group * c.kernel_height * c.kernel_width + tap)];
            sum +=
                (left - zero_of_x) * (right - zero_of_w[static_cast<size_t>(m) % zero_of_w.size()]);
          }
          y.push_back(sum);
        }
      }
    }
  }
  return y;
}

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {2, 3, 5, 6, 4, 3, 2, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {1, 4, 7, 5, 6, 3, 3, 2, {2, 1}, {1, 2}, {1, 2, 0, 1}},
      {1, 6, 9, 9, 6, 3, 3, 6, {2, 2}, {1, 1}, {1, 1, 1, 1}},
      {1, 40, 20, 21, 9, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
  };
  return cases;
}

void Describe(OpTester& test, const Case& c) {
  test.Attr("group", c.groups)
      .Ints("strides", {c.strides[0], c.strides[1]})
      .Ints("dilations", {c.dilations[0], c.dilations[1]})
      .Ints("pads", {c.pads[0], c.pads[1], c.pads[2], c.pads[3]});
}

TEST(ConvInteger, MatchesTheExamplesOfItsDefinition) {
  const std::vector<uint8_t> x = {2, 3, 4, 5, 6, 7, 8, 9, 10};
  OpTester("ConvInteger", 10)
      .Input<uint8_t>({1, 1, 3, 3}, x)
      .Input<uint8_t>({1, 1, 2, 2}, {1, 1, 1, 1})
      .Input<uint8_t>({}, {1})
      .ExpectOutput<int32_t>({1, 1, 2, 2}, {12, 16, 24, 28})
      .Run();
  OpTester("ConvInteger", 10)
      .Ints("pads", {1, 1, 1, 1})
      .Input<uint8_t>({1, 1, 3, 3}, x)
      .Input<uint8_t>({1, 1, 2, 2}, {1, 1, 1, 1})
      .Input<uint8_t>({}, {1})
      .ExpectOutput<int32_t>({1, 1, 4, 4}, {1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9})
      .Run();
}

TEST(ConvInteger, SumsAsItsDefinitionSays) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.groups);
    const auto x = RandomBytes<uint8_t>(ElementCount(c.x_shape()).value(), 1);
    const auto w = RandomBytes<int8_t>(ElementCount(c.w_shape()).value(), 2);
    for (const uint64_t extent : {0, 1, 2, 4}) {
      OpTester test("ConvInteger", 10);
      Describe(test, c);
      test.Input<uint8_t>(c.x_shape(), x).Weight<int8_t>(c.w_shape(), w, extent);
      test.Input<uint8_t>({}, {77}).Input<int8_t>({}, {-3});
      test.ExpectOutput<int32_t>(c.y_shape(), Plain(c, x, w, 77, {-3})).Run();
    }
  }
}

TEST(QLinearConv, RoundsWhatConvIntegerSums) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.groups);
    const auto x = RandomBytes<int8_t>(ElementCount(c.x_shape()).value(), 3);
    const auto w = RandomBytes<int8_t>(ElementCount(c.w_shape()).value(), 4);
    std::vector<int> zeros;
    std::vector<int8_t> zeros_of_w;
    std::vector<float> scales;
    std::vector<int32_t> bias;
    for (int i = 0; i < c.outputs; ++i) {
      zeros.push_back(i);
      zeros_of_w.push_back(static_cast<int8_t>(i));
      scales.push_back(static_cast<float>(i % 3 + 1) / 256);
      bias.push_back(1000 * i - 2000);
    }
    const auto sums = Plain(c, x, w, -7, zeros);
    const int plane = c.out_height() * c.out_width();
    std::vector<uint8_t> expected;
    for (size_t i = 0; i < sums.size(); ++i) {
      const size_t channel = i / static_cast<size_t>(plane) % static_cast<size_t>(c.outputs);
      const double value = (sums[i] + bias[channel]) * 0.5 * scales[channel] / 16.0;
      expected.push_back(
          static_cast<uint8_t>(std::clamp(std::nearbyint(value) + 100.0, 0.0, 255.0)));
    }
    OpTester test("QLinearConv", 10);
    Describe(test, c);
    const Shape list = {c.outputs};
    test.Input<int8_t>(c.x_shape(), x).Input<float>({}, {0.5F}).Input<int8_t>({}, {-7});
    test.Weight<int8_t>(c.w_shape(), w, 2).Input<float>(list, scales);
    test.Input<int8_t>(list, zeros_of_w).Input<float>({}, {16}).Input<uint8_t>({}, {100});
    test.Input<int32_t>(list, bias).ExpectOutput<uint8_t>(c.y_shape(), expected).Run();
  }
}

TEST(ConvInteger, TakesAnEmptyBatchAndOneAxis) {
  OpTester("ConvInteger", 10)
      .Input<uint8_t>({0, 1, 3}, {})
      .Input<int8_t>({2, 1, 2}, {1, 2, 3, 4})
      .ExpectOutput<int32_t>({0, 2, 2}, {})
      .Run();
  OpTester("ConvInteger", 10)
      .Input<uint8_t>({1, 1, 3}, {1, 2, 3})
      .Input<int8_t>({2, 1, 2}, {1, 2, 3, 4})
      .ExpectOutput<int32_t>({1, 2, 2}, {5, 8, 11, 18})
      .Run();
}

TEST(ConvInteger, RefusesWhatDoesntFit) {
  const auto make = [](int64_t channels) {
    OpTester test("ConvInteger", 10);
    test.Input<uint8_t>({1, channels, 3}, std::vector<uint8_t>(static_cast<size_t>(3 * channels)));
    test.Input<int8_t>({2, 1, 2}, {1, 2, 3, 4});
    return test;
  };
  make(2).ExpectError("shape_invalid");
  make(1).Attr("group", 0).ExpectError("attribute_invalid");
  make(1).Input<int8_t>({}, {1}).ExpectError("input_invalid");
  make(1).Input<uint8_t>({2}, {1, 1}).ExpectError("shape_invalid");
  make(1).NoInput().Input<int8_t>({3}, {1, 1, 1}).ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
