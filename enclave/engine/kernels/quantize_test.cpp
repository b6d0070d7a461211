#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/half.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

// By the definition, in double.
template <class T>
T QuantizePlain(double x, double scale, int zero_point) {
  const double rounded = std::nearbyint(x / scale) + zero_point;
  return static_cast<T>(
      std::clamp<double>(rounded, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

TEST(QuantizeLinear, MatchesTheExampleOfItsDefinition) {
  OpTester("QuantizeLinear", 10)
      .Input<float>({6}, {0, 2, 3, 1000, -254, -1000})
      .Input<float>({}, {2})
      .Input<uint8_t>({}, {128})
      .ExpectOutput<uint8_t>({6}, {128, 129, 130, 255, 1, 0})
      .Run();
}

TEST(QuantizeLinear, RoundsTiesToEvenAndMakesUint8ByItself) {
  OpTester("QuantizeLinear", 13)
      .Input<float>({5}, {0.5F, 1.5F, 2.5F, -0.5F, 3.4999F})
      .Input<float>({1}, {1})
      .ExpectOutput<uint8_t>({5}, {0, 2, 2, 0, 3})
      .Run();
  OpTester("QuantizeLinear", 21)
      .Attr("output_dtype", static_cast<int>(ElementType::kInt16))
      .Input<float>({3}, {-0.5F, -1.5F, 1e9F})
      .Input<float>({}, {1})
      .ExpectOutput<int16_t>({3}, {0, -2, 32767})
      .Run();
}

TEST(QuantizeLinear, SaturatesWhatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  OpTester("QuantizeLinear", 13)
      .Input<float>({3}, {kInfinity, -kInfinity, std::nanf("")})
      .Input<float>({}, {1})
      .Input<int8_t>({}, {5})
      .ExpectOutput<int8_t>({3}, {127, -128, -128})
      .Run();
}

template <class T>
void ExpectPerAxis(int64_t axis, const Shape& shape) {
  SCOPED_TRACE(std::string(wire::Name(TypeOf<T>())) + " axis " + std::to_string(axis));
  const auto place = static_cast<size_t>(axis < 0 ? axis + std::ssize(shape) : axis);
  const auto extent = static_cast<size_t>(shape[place]);
  size_t inner = 1;
  for (size_t i = place + 1; i < shape.size(); ++i) inner *= static_cast<size_t>(shape[i]);
  std::vector<float> x = RandomValues(ElementCount(shape).value(), 3);
  std::vector<float> scales(extent);
  std::vector<T> zeros(extent);
  for (size_t i = 0; i < extent; ++i) {
    scales[i] = 0.01F * static_cast<float>(i + 1);
    zeros[i] = static_cast<T>(7 * i);
  }
  std::vector<T> expected(x.size());
  std::vector<float> back(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t at = i / inner % extent;
    expected[i] = QuantizePlain<T>(x[i] / scales[at], 1, zeros[at]);
    back[i] = static_cast<float>(expected[i] - zeros[at]) * scales[at];
  }
  const Shape list = {static_cast<int64_t>(extent)};
  OpTester("QuantizeLinear", 13)
      .Attr("axis", AttributeValue(axis))
      .Input<float>(shape, x)
      .Input<float>(list, scales)
      .Input<T>(list, zeros)
      .template ExpectOutput<T>(shape, expected)
      .Run();
  OpTester("DequantizeLinear", 13)
      .Attr("axis", AttributeValue(axis))
      .template Weight<T>(shape, expected, 2)
      .template Input<float>(list, scales)
      .template Input<T>(list, zeros)
      .template ExpectOutput<float>(shape, back)
      .Run();
}

TEST(QuantizeLinear, TakesAScaleForEachIndexOfAnAxis) {
  for (const int64_t axis : {0, 1, 2, -1, -2}) {
    ExpectPerAxis<int8_t>(axis, {3, 5, 4});
    ExpectPerAxis<uint8_t>(axis, {3, 5, 4});
    ExpectPerAxis<int16_t>(axis, {2, 3, 70});
    ExpectPerAxis<uint16_t>(axis, {2, 3, 70});
  }
}

TEST(QuantizeLinear, TakesAScaleForEachBlock) {
  for (const int64_t axis : {0, 1, 2}) {
    const Shape shape = {5, 4, 7};
    Shape blocks = shape;
    blocks[static_cast<size_t>(axis)] = (blocks[static_cast<size_t>(axis)] + 1) / 2;
    const std::vector<float> x = RandomValues(5 * 4 * 7, 11);
    std::vector<float> scales = RandomValues(ElementCount(blocks).value(), 12);
    for (float& scale : scales) scale = std::abs(scale) / 100 + 0.01F;
    std::vector<int8_t> zeros(scales.size());
    for (size_t i = 0; i < zeros.size(); ++i) zeros[i] = static_cast<int8_t>(i % 11);
    std::vector<int8_t> expected(x.size());
    std::vector<float> back(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      std::array<size_t, 3> at = {i / 28, i / 7 % 4, i % 7};
      at[static_cast<size_t>(axis)] /= 2;
      const size_t block =
          (at[0] * static_cast<size_t>(blocks[1]) + at[1]) * static_cast<size_t>(blocks[2]) + at[2];
      expected[i] = QuantizePlain<int8_t>(x[i] / scales[block], 1, zeros[block]);
      back[i] = static_cast<float>(expected[i] - zeros[block]) * scales[block];
    }
    OpTester quantize("QuantizeLinear", 21);
    quantize.Attr("axis", AttributeValue(axis)).Attr("block_size", 2);
    quantize.Input<float>(shape, x).Input<float>(blocks, scales).Input<int8_t>(blocks, zeros);
    quantize.ExpectOutput<int8_t>(shape, expected).Run();
    OpTester dequantize("DequantizeLinear", 21);
    dequantize.Attr("axis", AttributeValue(axis)).Attr("block_size", 2);
    dequantize.Input<int8_t>(shape, expected).Input<float>(blocks, scales);
    dequantize.Input<int8_t>(blocks, zeros).ExpectOutput<float>(shape, back).Run();
  }
}

TEST(DequantizeLinear, MatchesTheExampleOfItsDefinition) {
  OpTester("DequantizeLinear", 10)
      .Input<uint8_t>({4}, {0, 3, 128, 255})
      .Input<float>({}, {2})
      .Input<uint8_t>({}, {128})
      .ExpectOutput<float>({4}, {-256, -250, 0, 254})
      .Run();
  OpTester("DequantizeLinear", 10)
      .Input<int32_t>({3}, {-100000, 0, 7})
      .Input<float>({}, {0.5F})
      .ExpectOutput<float>({3}, {-50000, 0, 3.5F})
      .Run();
}

TEST(DequantizeLinear, MakesWhatTheScaleIs) {
  const auto outputs = OpTester("DequantizeLinear", 19)
                           .Input<int8_t>({2}, {3, -4})
                           .Input<Half>({}, {Half::From(0.5F)})
                           .Outputs();
  ASSERT_TRUE(outputs.has_value());
  ASSERT_EQ(outputs->front().type, ElementType::kFloat16);
  const auto halves = outputs->front().Values<Half>();
  EXPECT_EQ(halves[0].ToFloat(), 1.5F);
  EXPECT_EQ(halves[1].ToFloat(), -2);
}

TEST(DequantizeLinear, TakesEmptyTensors) {
  OpTester("DequantizeLinear", 13)
      .Attr("axis", 0)
      .Input<int8_t>({0, 3}, {})
      .Input<float>({0}, {})
      .ExpectOutput<float>({0, 3}, {})
      .Run();
}

TEST(DequantizeLinear, RefusesWhatDoesntFit) {
  OpTester("DequantizeLinear", 13)
      .Input<int8_t>({2, 2}, {1, 2, 3, 4})
      .Input<float>({3}, {1, 2, 3})
      .ExpectError("shape_invalid");
  OpTester("DequantizeLinear", 13)
      .Attr("axis", 2)
      .Input<int8_t>({2, 2}, {1, 2, 3, 4})
      .Input<float>({2}, {1, 2})
      .ExpectError("attribute_invalid");
  OpTester("DequantizeLinear", 13)
      .Input<int8_t>({2}, {1, 2})
      .Input<float>({}, {1})
      .Input<uint8_t>({}, {1})
      .ExpectError("input_invalid");
  OpTester("DequantizeLinear", 21)
      .Attr("block_size", 2)
      .Attr("axis", 0)
      .Input<int8_t>({4}, {1, 2, 3, 4})
      .Input<float>({3}, {1, 2, 3})
      .ExpectError("shape_invalid");
  OpTester("DequantizeLinear", 21)
      .Attr("block_size", -1)
      .Input<int8_t>({4}, {1, 2, 3, 4})
      .Input<float>({}, {1})
      .ExpectError("attribute_invalid");
  OpTester("QuantizeLinear", 13)
      .Input<double>({1}, {1})
      .Input<float>({}, {1})
      .ExpectError("type_unsupported");
}

TEST(DynamicQuantizeLinear, MatchesTheExamplesOfItsDefinition) {
  OpTester("DynamicQuantizeLinear", 11)
      .Input<float>({6}, {0, 2, -3, -2.5F, 1.34F, 0.5F})
      .ExpectOutput<uint8_t>({6}, {153, 255, 0, 26, 221, 179})
      .ExpectOutput<float>({}, {0.0196078438F})
      .ExpectOutput<uint8_t>({}, {153})
      .Run();
  OpTester("DynamicQuantizeLinear", 11)
      .Input<float>({6}, {-1, -2.1F, -1.3F, -2.5F, -3.34F, -4})
      .ExpectOutput<uint8_t>({6}, {191, 121, 172, 96, 42, 0})
      .ExpectOutput<float>({}, {0.0156862754F})
      .ExpectOutput<uint8_t>({}, {255})
      .Run();
}

TEST(DynamicQuantizeLinear, TakesNothingAndZeros) {
  OpTester("DynamicQuantizeLinear", 11)
      .Input<float>({0, 2}, {})
      .ExpectOutput<uint8_t>({0, 2}, {})
      .ExpectOutput<float>({}, {1})
      .ExpectOutput<uint8_t>({}, {0})
      .Run();
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
