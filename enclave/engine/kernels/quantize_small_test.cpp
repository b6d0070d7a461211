// QuantizeLinear and DequantizeLinear of floats of eight bits and less, and integers of less than
// eight; types of the scale and of the quotient.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "common/wire/narrow_float.h"
#include "enclave/engine/kernels/half.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr ElementType kIntegers[] = {ElementType::kUint4, ElementType::kInt4, ElementType::kUint2,
                                     ElementType::kInt2};
constexpr ElementType kFloats[] = {ElementType::kFloat8E4M3FN, ElementType::kFloat8E4M3FNUZ,
                                   ElementType::kFloat8E5M2, ElementType::kFloat8E5M2FNUZ,
                                   ElementType::kFloat4E2M1};

TEST(QuantizeLinear, MakesSmallIntegersByTheDefinition) {
  for (const ElementType type : kIntegers) {
    SCOPED_TRACE(std::string(wire::Name(type)));
    const wire::SmallInteger format = wire::SmallIntegerOf(type);
    for (int zero = format.Least(); zero <= format.Most(); ++zero) {
      std::vector<float> x;
      Bytes wanted;
      for (int quarter = -80; quarter <= 80; ++quarter) {
        const double quotient = quarter / 4.0;
        x.push_back(static_cast<float>(quotient * 0.5));
        const double shifted = std::nearbyint(quotient) + zero;
        wanted.push_back(static_cast<uint8_t>(
            static_cast<int>(std::clamp<double>(shifted, format.Least(), format.Most()))));
      }
      const Shape shape = {static_cast<int64_t>(x.size())};
      OpTester("QuantizeLinear", 25)
          .Input<float>(shape, x)
          .Input<float>({}, {0.5F})
          .InputBytes(type, {}, {static_cast<uint8_t>(zero)})
          .ExpectBytes(type, shape, wanted)
          .Run();
    }
  }
}

TEST(QuantizeLinear, MakesSmallFloatsOfEachAxisScale) {
  for (const ElementType type : kFloats) {
    SCOPED_TRACE(std::string(wire::Name(type)));
    const std::vector<float> x = {0.1F, -3, 100, 0.7F, 1e9F, -1e9F};
    const std::vector<float> scales = {2, 0.25F, 4};
    Bytes wanted;
    for (size_t i = 0; i < x.size(); ++i) {
      wanted.push_back(static_cast<uint8_t>(
          wire::Narrow(wire::FormatOf(type), static_cast<double>(x[i] / scales[i % 3]), {})));
    }
    for (const bool has_zeros : {false, true}) {
      OpTester test("QuantizeLinear", 23);
      test.Attr("axis", 1).Input<float>({2, 3}, x).Input<float>({3}, scales);
      if (has_zeros) {
        test.InputBytes(type, {3}, {0, 0, 0});
      } else {
        test.Attr("output_dtype", static_cast<int>(type));
      }
      test.ExpectBytes(type, {2, 3}, wanted).Run();
    }
  }
}

TEST(QuantizeLinear, LeavesOutOfRangeUnsaturatedIfTold) {
  OpTester("QuantizeLinear", 19)
      .Attr("saturate", 0)
      .Input<float>({3}, {1e9F, 4, -0.0F})
      .Input<float>({}, {2})
      .InputBytes(ElementType::kFloat8E5M2, {}, {0})
      .ExpectBytes(ElementType::kFloat8E5M2, {3}, {0x7C, 0x40, 0x80})
      .Run();
}

TEST(QuantizeLinear, MakesBlocksOfFourBitsWithPowersOfTwoForScales) {
  OpTester("QuantizeLinear", 25)
      .Attr("axis", 1)
      .Attr("block_size", 2)
      .Attr("output_dtype", static_cast<int>(ElementType::kFloat4E2M1))
      .Input<float>({1, 3}, {2, -6, 3})
      .InputBytes(ElementType::kFloat8E8M0, {1, 2}, {128, 126})  // 2 and 0.5
      .ExpectBytes(ElementType::kFloat4E2M1, {1, 3}, {2, 0xD, 7})
      .Run();
}

// 1 + 2^-11 over 1 lies above a tie at 0.5 steps of a scale of 2; in half precision it is on it.
TEST(QuantizeLinear, DividesAsPreciselyAsItIsTold) {
  const auto run = [](int precision, int64_t opset, ElementType scale, uint8_t wanted) {
    OpTester test("QuantizeLinear", opset);
    if (precision != 0) test.Attr("precision", precision);
    test.Input<float>({1}, {1 + 0x1p-11F});
    if (scale == ElementType::kFloat) {
      test.Input<float>({}, {2});
    } else {
      test.Input<Half>({}, {Half::From(2)});
    }
    test.ExpectOutput<uint8_t>({1}, {wanted}).Run();
  };
  run(0, 23, ElementType::kFloat, 1);
  run(static_cast<int>(ElementType::kFloat), 23, ElementType::kFloat16, 1);
  run(static_cast<int>(ElementType::kFloat16), 23, ElementType::kFloat, 0);
  run(static_cast<int>(ElementType::kBfloat16), 25, ElementType::kFloat, 0);
  run(0, 23, ElementType::kFloat16, 0);
  run(0, 21, ElementType::kFloat16, 1);
  OpTester("QuantizeLinear", 23)
      .Attr("precision", static_cast<int>(ElementType::kInt8))
      .Input<float>({1}, {1})
      .Input<float>({}, {1})
      .ExpectError("type_unsupported");
}

TEST(QuantizeLinear, RefusesTypesThatItDoesntMake) {
  OpTester("QuantizeLinear", 25)
      .Attr("output_dtype", static_cast<int>(ElementType::kFloat8E8M0))
      .Input<float>({1}, {1})
      .Input<float>({}, {1})
      .ExpectError("type_unsupported");
  OpTester("QuantizeLinear", 25)
      .Attr("output_dtype", static_cast<int>(ElementType::kInt4))
      .Input<float>({1}, {1})
      .Input<float>({}, {1})
      .InputBytes(ElementType::kUint4, {}, {0})
      .ExpectError("input_invalid");
  OpTester("QuantizeLinear", 25)
      .Input<float>({1}, {1})
      .Input<float>({}, {1})
      .InputBytes(ElementType::kUint4, {2}, {0, 0})
      .ExpectError("shape_invalid");
}

TEST(DequantizeLinear, GivesEveryByteOfASmallTypeItsValue) {
  Bytes bytes(256);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  const auto expect = [&](ElementType type, bool is_weight) {
    SCOPED_TRACE(std::string(wire::Name(type)));
    OpTester test("DequantizeLinear", 25);
    test.InputBytes(type, {256}, bytes, is_weight).Input<float>({}, {0.5F});
    const auto values = test.Outputs().value().at(0).Values<float>();
    for (size_t i = 0; i < 256; ++i) {
      const float wanted = 0.5F * wire::ValuesOf(type)[i];
      ASSERT_TRUE(values[i] == wanted || (std::isnan(values[i]) && std::isnan(wanted))) << i;
    }
  };
  for (const bool is_weight : {false, true}) {
    for (const ElementType type : kIntegers) expect(type, is_weight);
    for (const ElementType type : kFloats) expect(type, is_weight);
  }
}

TEST(DequantizeLinear, TakesZeroPointsAndBlocksOfSmallIntegers) {
  OpTester("DequantizeLinear", 21)
      .Attr("axis", 0)
      .Attr("block_size", 2)
      .InputBytes(ElementType::kInt4, {3, 2}, {0xF8, 1, 2, 3, 4, 7})
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .InputBytes(ElementType::kInt4, {2, 2}, {1, 0xFF, 0, 2})
      .ExpectOutput<float>({3, 2}, {-9, 4, 1, 8, 12, 20})
      .Run();
  OpTester("DequantizeLinear", 25)
      .Attr("axis", 1)
      .InputBytes(ElementType::kUint2, {2, 2}, {0, 1, 2, 3})
      .Input<float>({2}, {1, 10})
      .InputBytes(ElementType::kUint2, {2}, {1, 3})
      .ExpectOutput<float>({2, 2}, {-1, -20, 1, 0})
      .Run();
}

TEST(DequantizeLinear, GivesTheTypeThatTheNodeNames) {
  const auto half = static_cast<int>(ElementType::kFloat16);
  OpTester("DequantizeLinear", 23)
      .Attr("output_dtype", half)
      .Input<int8_t>({2}, {1, 3})
      .Input<float>({}, {0.5F})
      .ExpectBytes(ElementType::kFloat16, {2}, {0x00, 0x38, 0x00, 0x3E})
      .Run();
  OpTester("DequantizeLinear", 25)
      .Attr("output_dtype", half)
      .InputBytes(ElementType::kFloat4E2M1, {2}, {2, 0xF})
      .InputBytes(ElementType::kFloat8E8M0, {}, {128})
      .ExpectBytes(ElementType::kFloat16, {2}, {0x00, 0x40, 0x00, 0xCA})
      .Run();
  OpTester("DequantizeLinear", 25)
      .InputBytes(ElementType::kFloat4E2M1, {2}, {2, 0xF})
      .InputBytes(ElementType::kFloat8E8M0, {}, {128})
      .ExpectError("type_unsupported");
  OpTester("DequantizeLinear", 25)
      .InputBytes(ElementType::kFloat8E8M0, {1}, {127})
      .Input<float>({}, {1})
      .ExpectError("type_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
