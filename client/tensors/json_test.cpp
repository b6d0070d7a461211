#include "client/tensors/json.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "client/tensors/testing.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

std::string ReasonFor(std::string_view text) {
  const auto tensors = DecodeJson(text, {});
  return tensors.has_value() ? "accepted" : std::string(tensors.error().reason);
}

NamedTensor Only(std::string_view text, const TypesByName& untyped = {}) {
  auto tensors = DecodeJson(text, untyped).value();
  CHECK(tensors.size() == 1);
  return std::move(tensors.front());
}

TEST(Json, ReadsTypeShapeAndData) {
  const auto wanted = MakeTensor<float>("x", ElementType::kFloat, {2, 1}, {0.5F, -1});
  ExpectEqual(Only(R"({"x": {"type": "float", "shape": [2, 1], "data": [0.5, -1]}})"), wanted);
  ExpectEqual(Only(R"({"x": {"data": [[0.5], [-1]], "type": "float"}})"), wanted);
}

TEST(Json, ReadsBareLists) {
  ExpectEqual(Only("[[1.5, 2], [3, 4]]"),
              MakeTensor<float>("", ElementType::kFloat, {2, 2}, {1.5F, 2, 3, 4}));
  ExpectEqual(Only(R"({"sr": 16000})"),
              MakeTensor<int64_t>("sr", ElementType::kInt64, {}, {16000}));
  ExpectEqual(Only("[true, false]"), MakeTensor<uint8_t>("", ElementType::kBool, {2}, {1, 0}));
  ExpectEqual(Only("[[], []]"), MakeTensor<float>("", ElementType::kFloat, {2, 0}, {}));
  EXPECT_EQ(DecodeJson(R"({"a": [1], "b": {"data": [2]}, "c": 3})", {}).value().size(), 3U);
}

TEST(Json, GivesUntypedTensorsTheModelsTypes) {
  ExpectEqual(Only(R"({"x": [1, 2]})", {{"x", ElementType::kFloat}}),
              MakeTensor<float>("x", ElementType::kFloat, {2}, {1, 2}));
  EXPECT_EQ(Only(R"({"x": {"type": "int8", "data": [1]}})", {{"x", ElementType::kFloat}}).type,
            ElementType::kInt8);
}

TEST(Json, RefusesWhatASmallTypeCantHold) {
  const auto reason = [](const std::string& type, const std::string& value) {
    return ReasonFor(R"({"x": {"type": ")" + type + R"(", "data": [)" + value + "]}}");
  };
  for (const auto& [type, good, bad] :
       std::vector<std::array<std::string, 3>>{{"int4", "7", "8"},
                                               {"int4", "-8", "-9"},
                                               {"uint4", "15", "16"},
                                               {"int2", "-2", "2"},
                                               {"uint2", "3", "-1"},
                                               {"float8e4m3fn", "448", "500"},
                                               {"float8e4m3fn", "\"nan\"", "\"inf\""},
                                               {"float8e5m2", "\"inf\"", "1e9"},
                                               {"float8e4m3fnuz", "-240", "300.5"},
                                               {"float4e2m1", "-6.0", "\"nan\""},
                                               {"float8e8m0", "0.5", "0"}}) {
    EXPECT_EQ(reason(type, good), "accepted") << type << good;
    EXPECT_EQ(reason(type, bad), "json_number_out_of_range") << type << bad;
  }
  EXPECT_EQ(reason("uint4", "1.5"), "json_type_mismatch");
}

TEST(Json, RoundTripsExtremesOfEveryType) {
  using Floats = std::numeric_limits<float>;
  using Doubles = std::numeric_limits<double>;
  std::vector<NamedTensor> tensors;
  tensors.push_back(
      MakeTensor<float>("f \"\n\xc3\xa9", ElementType::kFloat, {2, 4},
                        {0.1F, -0.0F, Floats::max(), Floats::lowest(), Floats::min(),
                         Floats::denorm_min(), Floats::infinity(), -Floats::infinity()}));
  tensors.push_back(MakeTensor<double>("d", ElementType::kDouble, {4},
                                       {0.1, Doubles::max(), Doubles::denorm_min(), -0.0}));
  tensors.push_back(MakeTensor<uint16_t>("h", ElementType::kFloat16, {3}, {1, 0x7bff, 0xfc00}));
  tensors.push_back(MakeTensor<uint16_t>("b", ElementType::kBfloat16, {2}, {1, 0x7f7f}));
  Bytes codes(255);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  tensors.push_back(MakeTensor<uint8_t>("e8m0", ElementType::kFloat8E8M0, {255}, codes));
  tensors.push_back(MakeTensor<uint8_t>("e4", ElementType::kFloat8E4M3FN, {3}, {1, 0x7E, 0x80}));
  tensors.push_back(MakeTensor<uint8_t>("e4uz", ElementType::kFloat8E4M3FNUZ, {2}, {1, 0xFF}));
  tensors.push_back(MakeTensor<uint8_t>("e5", ElementType::kFloat8E5M2, {3}, {1, 0x7B, 0xFC}));
  tensors.push_back(MakeTensor<uint8_t>("e5uz", ElementType::kFloat8E5M2FNUZ, {2}, {1, 0xFF}));
  tensors.push_back(MakeTensor<uint8_t>("e2m1", ElementType::kFloat4E2M1, {3}, {1, 7, 8}));
  tensors.push_back(MakeTensor<int8_t>("i4", ElementType::kInt4, {2}, {-8, 7}));
  tensors.push_back(MakeTensor<uint8_t>("u4", ElementType::kUint4, {2}, {0, 15}));
  tensors.push_back(MakeTensor<int8_t>("i2", ElementType::kInt2, {2}, {-2, 1}));
  tensors.push_back(MakeTensor<uint8_t>("u2", ElementType::kUint2, {2}, {0, 3}));
  tensors.push_back(MakeTensor<int64_t>("i", ElementType::kInt64, {2}, {INT64_MIN, INT64_MAX}));
  tensors.push_back(MakeTensor<uint64_t>("u", ElementType::kUint64, {1}, {UINT64_MAX}));
  tensors.push_back(MakeTensor<int8_t>("i8", ElementType::kInt8, {2}, {-128, 127}));
  tensors.push_back(MakeTensor<uint32_t>("u32", ElementType::kUint32, {}, {UINT32_MAX}));
  tensors.push_back(MakeTensor<uint8_t>("t", ElementType::kBool, {1, 2}, {1, 0}));
  tensors.push_back(MakeTensor<float>("none", ElementType::kFloat, {3, 0}, {}));
  const SecretBytes file = EncodeJson(tensors).value();
  const auto read = DecodeJson(AsText(file.Reveal()), {}).value();
  ASSERT_EQ(read.size(), tensors.size());
  for (size_t i = 0; i < read.size(); ++i) ExpectEqual(read[i], tensors[i]);
}

TEST(Json, KeepsNotANumber) {
  const auto tensor = MakeTensor<float>("x", ElementType::kFloat, {1}, {std::nanf("")});
  const SecretBytes file = EncodeJson({&tensor, 1}).value();
  EXPECT_TRUE(std::isnan(Values<float>(Only(AsText(file.Reveal()))).front()));
}

TEST(Json, RoundsToFloatOnce) {
  // Halfway between two floats but for a bit that a double can't hold: rounding to double first
  // would lose it and then round the tie down.
  const float above = 1 + std::numeric_limits<float>::epsilon();
  EXPECT_EQ(Values<float>(Only("[1.00000005960464477539062500000000001]")).front(), above);
  EXPECT_EQ(Values<float>(Only("[1e-60]")).front(), 0.0F);
}

TEST(Json, RefusesValuesThatDoNotSuitTheType) {
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "int32", "data": [1.5]}})"), "json_type_mismatch");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "float", "data": [true]}})"), "json_type_mismatch");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "bool", "data": [1]}})"), "json_type_mismatch");
  EXPECT_EQ(ReasonFor("[1, true]"), "json_type_mismatch");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "int8", "data": [128]}})"), "json_number_out_of_range");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "uint8", "data": [-1]}})"), "json_number_out_of_range");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "float", "data": [1e39]}})"), "json_number_out_of_range");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "float16", "data": [65520]}})"),
            "json_number_out_of_range");
  EXPECT_EQ(ReasonFor(R"({"x": {"type": "float", "data": [1e999]}})"), "json_malformed");
}

TEST(Json, RefusesShapesThatDoNotDescribeTheData) {
  EXPECT_EQ(ReasonFor(R"({"x": {"shape": [3], "data": [1, 2]}})"), "json_shape_mismatch");
  EXPECT_EQ(ReasonFor(R"({"x": {"shape": [4], "data": [[1, 2], [3, 4]]}})"), "json_shape_mismatch");
  EXPECT_EQ(ReasonFor(R"({"x": {"shape": [1], "data": 1}})"), "json_shape_mismatch");
  EXPECT_EQ(ReasonFor(R"({"x": {"shape": [4294967296, 4294967296], "data": [1]}})"),
            "tensor_over_limit");
}

TEST(Json, RefusesRaggedLists) {
  for (const std::string_view text : {"[[1, 2], [3]]", "[1, [2]]", "[[1], 2]", "[[], 1]",
                                      "[[], [1]]", "[[], [[]]]", "[[[]], []]", "[[1], []]"}) {
    EXPECT_EQ(ReasonFor(text), "json_ragged") << text;
  }
}

TEST(Json, RefusesOtherForms) {
  for (const std::string_view text : {"",
                                      "{",
                                      "[1",
                                      "[1]]",
                                      "null",
                                      "[null]",
                                      "\"x\"",
                                      "[\"x\"]",
                                      "[{}]",
                                      "[NaN]",
                                      "[1,]",
                                      R"({"x": {}})",
                                      R"({"x": {"type": "float"}})",
                                      R"({"x": {"type": "complex", "data": [1]}})",
                                      R"({"x": {"type": "string", "data": ["a"]}})",
                                      R"({"x": {"type": 1, "data": [1]}})",
                                      R"({"x": {"data": [1], "data": [1]}})",
                                      R"({"x": {"data": [1], "other": 1}})",
                                      R"({"x": {"shape": 1, "data": [1]}})",
                                      R"({"x": {"shape": [-1], "data": [1]}})",
                                      R"({"x": {"shape": [1.0], "data": [1]}})",
                                      R"({"x": {"shape": [[1]], "data": [1]}})",
                                      R"({"x": {"data": {"x": 1}}})",
                                      "{\"\xff\": [1]}"}) {
    EXPECT_EQ(ReasonFor(text), "json_malformed") << text;
  }
}

TEST(Json, RefusesWhatIsOverTheLimits) {
  EXPECT_EQ(ReasonFor(std::string(kMaxRank, '[') + std::string(kMaxRank, ']')), "accepted");
  EXPECT_EQ(ReasonFor(std::string(1'000'000, '[')), "tensor_over_limit");
  EXPECT_EQ(ReasonFor("{\"" + std::string(kMaxNameBytes + 1, 'x') + "\": 1}"), "tensor_over_limit");
  std::string many = "{\"x\": 1";
  for (size_t i = 0; i < kMaxTensors; ++i) many += ", \"x\": 1";
  EXPECT_EQ(ReasonFor(many + "}"), "tensor_over_limit");
}

TEST(Json, SaysWhereButNotWhatItCouldNotRead) {
  const auto tensors = DecodeJson("[1, 2, secret]", {});
  EXPECT_EQ(tensors.error().what.find("secret"), std::string::npos);
}

constexpr std::string_view kSample =
    R"({"x": {"type": "float", "shape": [2], "data": [0.5, "nan"]}, "y": [[1], [-2]]})";

TEST(Json, RefusesATextCutOffAnywhere) {
  ASSERT_EQ(ReasonFor(kSample), "accepted");
  for (size_t length = 0; length < kSample.size(); ++length) {
    EXPECT_EQ(ReasonFor(AsText(OnHeap(AsBytes(kSample.substr(0, length))))), "json_malformed")
        << length;
  }
}

TEST(Json, SurvivesEveryFlippedBit) {
  for (size_t bit = 0; bit < 8 * kSample.size(); ++bit) {
    std::string flipped(kSample);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto tensors = DecodeJson(flipped, {});
    if (!tensors.has_value()) continue;
    for (const NamedTensor& tensor : *tensors) ExpectConsistent(tensor);
  }
}

}  // namespace
}  // namespace ephemeralml::tensors
