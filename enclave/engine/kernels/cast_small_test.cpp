// Cast, CastLike and BitCast of floats of eight bits and less, and integers of less than eight; and
// operators that move them. What each code is worth: common/wire/narrow_float_test.cpp.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>

#include "common/wire/narrow_float.h"
#include "enclave/engine/kernels/half.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr ElementType kSmallTypes[] = {ElementType::kFloat8E4M3FN, ElementType::kFloat8E4M3FNUZ,
                                       ElementType::kFloat8E5M2,   ElementType::kFloat8E5M2FNUZ,
                                       ElementType::kUint4,        ElementType::kInt4,
                                       ElementType::kFloat4E2M1,   ElementType::kFloat8E8M0,
                                       ElementType::kUint2,        ElementType::kInt2};

Bytes AllBytes() {
  Bytes bytes(256);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

template <class T>
Bytes BytesOf(const std::vector<T>& values) {
  const auto* begin = reinterpret_cast<const uint8_t*>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

OpTester CastTest(ElementType to, int64_t opset = 25) {
  OpTester test("Cast", opset);
  test.Attr("to", static_cast<int>(to)).Tolerance(0, 0);
  return test;
}

Shape List(size_t count) { return {static_cast<int64_t>(count)}; }

// Cast of `from` to a small type.
Bytes Narrowed(const std::vector<float>& from, ElementType to, int64_t opset = 25,
               const char* round_mode = "up", int saturate = 1) {
  OpTester test = CastTest(to, opset);
  test.Attr("saturate", saturate).Attr("round_mode", round_mode);
  test.Input<float>(List(from.size()), from);
  return test.Outputs().value().at(0).bytes;
}

TEST(CastOfSmallTypes, WidensEveryByteToFloat) {
  for (const ElementType type : kSmallTypes) {
    SCOPED_TRACE(std::string(wire::Name(type)));
    for (const bool is_weight : {false, true}) {
      OpTester test = CastTest(ElementType::kFloat);
      test.InputBytes(type, {256}, AllBytes(), is_weight);
      const auto values = test.Outputs().value().at(0).Values<float>();
      for (size_t i = 0; i < 256; ++i) {
        const float wanted =
            wire::IsSmallInteger(type)
                ? static_cast<float>(wire::SmallIntegerOf(type).Read(static_cast<uint8_t>(i)))
                : wire::Widen(wire::FormatOf(type), static_cast<uint16_t>(i));
        ASSERT_TRUE(values[i] == wanted || (std::isnan(values[i]) && std::isnan(wanted))) << i;
      }
    }
  }
}

TEST(CastOfSmallTypes, ConvertsFromAndToAllWideTypes) {
  const auto expect_all = [](ElementType type, Bytes codes) {
    const auto expect = [&]<class T>(ElementType wide, const std::vector<T>& values) {
      SCOPED_TRACE(std::string(wire::Name(type)) + " and " + std::string(wire::Name(wide)));
      CastTest(wide).InputBytes(type, {3}, codes).ExpectBytes(wide, {3}, BytesOf(values)).Run();
      CastTest(type).InputBytes(wide, {3}, BytesOf(values)).ExpectBytes(type, {3}, codes).Run();
    };
    expect(ElementType::kFloat, std::vector<float>{0, 1, 2});
    expect(ElementType::kDouble, std::vector<double>{0, 1, 2});
    expect(ElementType::kInt8, std::vector<int8_t>{0, 1, 2});
    expect(ElementType::kUint8, std::vector<uint8_t>{0, 1, 2});
    expect(ElementType::kInt16, std::vector<int16_t>{0, 1, 2});
    expect(ElementType::kUint16, std::vector<uint16_t>{0, 1, 2});
    expect(ElementType::kInt32, std::vector<int32_t>{0, 1, 2});
    expect(ElementType::kUint32, std::vector<uint32_t>{0, 1, 2});
    expect(ElementType::kInt64, std::vector<int64_t>{0, 1, 2});
    expect(ElementType::kUint64, std::vector<uint64_t>{0, 1, 2});
    expect(ElementType::kFloat16, std::vector<uint16_t>{0, 0x3C00, 0x4000});
    expect(ElementType::kBfloat16, std::vector<uint16_t>{0, 0x3F80, 0x4000});
    CastTest(ElementType::kBool)
        .InputBytes(type, {3}, codes)
        .ExpectBytes(ElementType::kBool, {3}, {0, 1, 1})
        .Run();
    CastTest(type)
        .Input<bool>({2}, {false, true})
        .ExpectBytes(type, {2}, {codes[0], codes[1]})
        .Run();
  };
  expect_all(ElementType::kFloat8E4M3FN, {0, 0x38, 0x40});
  expect_all(ElementType::kFloat8E4M3FNUZ, {0, 0x40, 0x48});
  expect_all(ElementType::kFloat8E5M2, {0, 0x3C, 0x40});
  expect_all(ElementType::kFloat8E5M2FNUZ, {0, 0x40, 0x44});
  expect_all(ElementType::kFloat4E2M1, {0, 2, 4});
  for (const auto type : {ElementType::kUint4, ElementType::kInt4, ElementType::kUint2}) {
    expect_all(type, {0, 1, 2});
  }
}

TEST(CastOfSmallTypes, ConvertsAmongThem) {
  for (const ElementType from : kSmallTypes) {
    for (const ElementType to : kSmallTypes) {
      if (from == to) continue;
      SCOPED_TRACE(std::string(wire::Name(from)) + " to " + std::string(wire::Name(to)));
      const Bytes one = Narrowed({1}, from);
      CastTest(to).InputBytes(from, {1}, one).ExpectBytes(to, {1}, Narrowed({1}, to)).Run();
    }
  }
}

TEST(CastOfSmallTypes, SaturatesUnlessTheNodeSaysOtherwise) {
  const std::vector<float> large = {1e6F, -1e6F, kInfinity, kNan};
  EXPECT_EQ(Narrowed(large, ElementType::kFloat8E4M3FN), (Bytes{0x7E, 0xFE, 0x7E, 0x7F}));
  EXPECT_EQ(Narrowed(large, ElementType::kFloat8E5M2FNUZ), (Bytes{0x7F, 0xFF, 0x7F, 0x80}));
  EXPECT_EQ(Narrowed(large, ElementType::kFloat8E4M3FN, 19, "up", 0),
            (Bytes{0x7F, 0xFF, 0x7F, 0x7F}));
  EXPECT_EQ(Narrowed(large, ElementType::kFloat8E5M2, 19, "up", 0),
            (Bytes{0x7C, 0xFC, 0x7C, 0x7E}));
  EXPECT_EQ(Narrowed(large, ElementType::kFloat8E4M3FNUZ, 19, "up", 0),
            (Bytes{0x80, 0x80, 0x80, 0x80}));
  EXPECT_EQ(Narrowed(large, ElementType::kFloat4E2M1), (Bytes{7, 15, 7, 8}));
  EXPECT_EQ(Narrowed(large, ElementType::kFloat4E2M1, 23), (Bytes{7, 15, 7, 7}));
}

TEST(CastOfSmallTypes, SaturatesSmallIntegersBeforeVersion24AndThenKeepsTheirBits) {
  const std::vector<float> x = {-9, -8, 7, 8, 2.5F, 3.5F, kNan};
  EXPECT_EQ(Narrowed(x, ElementType::kInt4, 23), (Bytes{0xF8, 0xF8, 7, 7, 2, 4, 0}));
  EXPECT_EQ(Narrowed(x, ElementType::kInt4, 24), (Bytes{7, 0xF8, 7, 0xF8, 2, 4, 0}));
  EXPECT_EQ(Narrowed(x, ElementType::kUint4, 23), (Bytes{0, 0, 7, 8, 2, 4, 0}));
  EXPECT_EQ(Narrowed(x, ElementType::kUint2, 24), (Bytes{3, 0, 3, 0, 2, 0, 0}));
  for (const int64_t opset : {21, 25}) {
    CastTest(ElementType::kInt4, opset)
        .Input<int32_t>({3}, {-9, 8, 21})
        .ExpectBytes(ElementType::kInt4, {3}, {7, 0xF8, 5})
        .Run();
  }
}

TEST(CastOfSmallTypes, RoundsPowersOfTwoAsTheNodeSays) {
  const std::vector<float> x = {1, 1.4F, 1.5F, 0.124F, 0};
  const auto type = ElementType::kFloat8E8M0;
  EXPECT_EQ(Narrowed(x, type), (Bytes{127, 128, 128, 124, 0}));
  EXPECT_EQ(Narrowed(x, type, 25, "down"), (Bytes{127, 127, 127, 123, 0}));
  EXPECT_EQ(Narrowed(x, type, 25, "nearest", 0), (Bytes{127, 127, 128, 124, 255}));
  OpTester test = CastTest(type);
  test.Attr("round_mode", "sideways").Input<float>({1}, {1}).ExpectError("attribute_invalid");
}

TEST(CastOfSmallTypes, RoundsOnceFromDoublesAndWideIntegers) {
  // Just above a tie, on which a float lies.
  CastTest(ElementType::kFloat8E4M3FN)
      .Input<double>({1}, {1.0625 + 0x1p-40})
      .ExpectBytes(ElementType::kFloat8E4M3FN, {1}, {0x39})
      .Run();
  CastTest(ElementType::kFloat8E8M0)
      .Input<int64_t>({2}, {(int64_t{1} << 60) + 1, 1})
      .ExpectBytes(ElementType::kFloat8E8M0, {2}, {127 + 61, 127})
      .Run();
}

TEST(CastOfSmallTypes, ReadsAndWritesTexts) {
  const auto cast_to_texts = [](ElementType type, Bytes bytes) {
    OpTester test = CastTest(ElementType::kString);
    test.InputBytes(type, List(bytes.size()), bytes);
    const testing::Value texts = test.Outputs().value().at(0);
    OpTester back = CastTest(type);
    back.Attr("saturate", 0);
    back.InputBytes(ElementType::kString, texts.shape, texts.bytes)
        .ExpectBytes(type, texts.shape, bytes)
        .Run();
    const auto strings = Strings({texts.type, texts.shape, texts.bytes}).value();
    std::string joined;
    for (const std::string_view text : strings) joined += std::string(text) + " ";
    return joined;
  };
  EXPECT_EQ(cast_to_texts(ElementType::kInt4, {0xF8, 0, 7}), "-8 0 7 ");
  EXPECT_EQ(cast_to_texts(ElementType::kFloat8E5M2, {0x3C, 0x7C, 0xC0}), "1 INF -2 ");
  EXPECT_EQ(cast_to_texts(ElementType::kFloat4E2M1, {1, 0xF}), "0.5 -6 ");
}

TEST(CastOfSmallTypes, GoesByTheTypeOfAnotherTensor) {
  OpTester("CastLike", 19)
      .Attr("saturate", 0)
      .Input<float>({2}, {1, 1e9F})
      .InputBytes(ElementType::kFloat8E5M2, {0}, {})
      .ExpectBytes(ElementType::kFloat8E5M2, {2}, {0x3C, 0x7C})
      .Run();
  OpTester("CastLike", 25)
      .InputBytes(ElementType::kInt2, {2}, {0xFE, 1}, true)
      .Input<int64_t>({1}, {0})
      .ExpectOutput<int64_t>({2}, {-2, 1})
      .Run();
}

TEST(CastOfSmallTypes, TakesLargeAndEmptyTensors) {
  const size_t count = 100'003;
  CastTest(ElementType::kInt4)
      .Input<float>(List(count), std::vector<float>(count, -3))
      .ExpectBytes(ElementType::kInt4, List(count), Bytes(count, 0xFD))
      .Run();
  CastTest(ElementType::kFloat8E4M3FN)
      .Input<float>({0}, {})
      .ExpectBytes(ElementType::kFloat8E4M3FN, {0}, {})
      .Run();
}

TEST(SmallTypes, AreMovedLikeOthers) {
  const auto type = ElementType::kFloat4E2M1;
  OpTester("Identity", 23).InputBytes(type, {2}, {1, 2}).ExpectBytes(type, {2}, {1, 2}).Run();
  OpTester("Transpose", 23)
      .InputBytes(type, {2, 3}, {1, 2, 3, 4, 5, 6}, true)
      .ExpectBytes(type, {3, 2}, {1, 4, 2, 5, 3, 6})
      .Run();
  OpTester("Reshape", 23)
      .InputBytes(type, {2, 2}, {1, 2, 3, 4})
      .Input<int64_t>({1}, {4})
      .ExpectBytes(type, {4}, {1, 2, 3, 4})
      .Run();
  OpTester("Unsqueeze", 23)
      .InputBytes(type, {2}, {1, 2})
      .Input<int64_t>({1}, {0})
      .ExpectBytes(type, {1, 2}, {1, 2})
      .Run();
  OpTester("Squeeze", 23).InputBytes(type, {1, 2}, {1, 2}).ExpectBytes(type, {2}, {1, 2}).Run();
  OpTester("Flatten", 23)
      .InputBytes(type, {1, 2, 1}, {1, 2})
      .ExpectBytes(type, {1, 2}, {1, 2})
      .Run();
  OpTester("Shape", 23).InputBytes(type, {2}, {1, 2}).ExpectOutput<int64_t>({1}, {2}).Run();
  OpTester("Size", 23).InputBytes(type, {2}, {1, 2}).ExpectOutput<int64_t>({}, {2}).Run();
  OpTester("Pad", 23)
      .InputBytes(type, {1}, {3})
      .Input<int64_t>({2}, {1, 1})
      .ExpectBytes(type, {3}, {0, 3, 0})
      .Run();
  OpTester("Concat", 23)
      .Attr("axis", 0)
      .InputBytes(type, {1}, {3})
      .InputBytes(type, {1}, {4})
      .ExpectBytes(type, {2}, {3, 4})
      .Run();
  OpTester("ConstantOfShape", 23)
      .Attr("value", AttributeValue(ConstantValue{type, {1}, {5}}))
      .Input<int64_t>({1}, {2})
      .ExpectBytes(type, {2}, {5, 5})
      .Run();
}

TEST(SmallTypes, ArentComputedWith) {
  for (const char* op : {"Add", "Mul", "MatMul", "Equal"}) {
    OpTester(op, 23)
        .InputBytes(ElementType::kFloat8E5M2, {1, 1}, {1})
        .InputBytes(ElementType::kFloat8E5M2, {1, 1}, {1})
        .ExpectError("type_unsupported");
  }
}

OpTester BitCastTest(ElementType to) {
  OpTester test("BitCast", 26);
  test.Attr("to", static_cast<int>(to));
  return test;
}

TEST(BitCast, KeepsBitsUnderAnotherTypeOfAsMany) {
  BitCastTest(ElementType::kInt32)
      .Input<float>({2}, {1, -2})
      .ExpectOutput<int32_t>({2}, {0x3F800000, static_cast<int32_t>(0xC0000000)})
      .Run();
  BitCastTest(ElementType::kUint8)
      .InputBytes(ElementType::kFloat8E8M0, {2}, {0x80, 0xFF}, true)
      .ExpectOutput<uint8_t>({2}, {0x80, 0xFF})
      .Run();
  BitCastTest(ElementType::kUint4)
      .InputBytes(ElementType::kInt4, {2}, {0xF8, 7})
      .ExpectBytes(ElementType::kUint4, {2}, {8, 7})
      .Run();
  BitCastTest(ElementType::kInt4)
      .InputBytes(ElementType::kFloat4E2M1, {2}, {0x0F, 7})
      .ExpectBytes(ElementType::kInt4, {2}, {0xFF, 7})
      .Run();
  BitCastTest(ElementType::kFloat4E2M1)
      .InputBytes(ElementType::kInt4, {1}, {0xFF})
      .ExpectBytes(ElementType::kFloat4E2M1, {1}, {0x0F})
      .Run();
}

TEST(BitCast, RefusesOtherWidthsAndTexts) {
  BitCastTest(ElementType::kInt8).Input<float>({1}, {1}).ExpectError("input_invalid");
  BitCastTest(ElementType::kInt8)
      .InputBytes(ElementType::kInt4, {1}, {1})
      .ExpectError("input_invalid");
  BitCastTest(ElementType::kString).Input<float>({1}, {1}).ExpectError("type_unsupported");
  BitCastTest(ElementType::kInt8)
      .InputBytes(ElementType::kString, {1}, {0, 0, 0, 0, 0, 0, 0, 0})
      .ExpectError("type_unsupported");
  OpTester("BitCast", 26).Input<float>({1}, {1}).ExpectError("attribute_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
