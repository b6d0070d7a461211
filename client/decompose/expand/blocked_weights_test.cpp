// Weights that are scaled in blocks: MatMulNBits and GatherBlockQuantized.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/expanded_model.h"
#include "client/decompose/testing/split_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

void AddTensor(ModelBuilder& builder, const char* name, int type, const std::vector<int64_t>& dims,
               std::string bytes) {
  ::onnx::TensorProto* tensor = builder.get()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (const int64_t dim : dims) tensor->add_dims(dim);
  tensor->set_raw_data(std::move(bytes));
}

TEST(MatMulNBits, TransposesItsWeight) {
  ModelBuilder builder(17);
  ImportContributed(builder);
  builder.Input("x", {1, 32}).Output("y", {1, 2});
  ::onnx::TensorProto* tensor = builder.get()->add_initializer();
  tensor->set_name("w");
  tensor->set_data_type(::onnx::TensorProto::UINT8);
  std::string packed;
  Bytes expected(64);
  for (uint8_t i = 0; i < 32; ++i) packed += static_cast<char>((i % 16) | (15 - i % 16) << 4);
  for (size_t i = 0; i < 64; ++i) {
    const auto byte = static_cast<uint8_t>(packed[i / 2]);
    expected[i % 32 * 2 + i / 32] = i % 2 == 0 ? byte & 15 : byte >> 4;
  }
  for (const int64_t dim : {2, 2, 8}) tensor->add_dims(dim);
  tensor->set_raw_data(packed);
  builder.Floats("scales", {4}, {1, 2, 3, 4});
  ::onnx::NodeProto* node = Contributed(builder, "MatMulNBits", {"x", "w", "scales"}, {"y"});
  AddInt(node, "K", 32);
  AddInt(node, "N", 2);
  AddInt(node, "bits", 4);
  AddInt(node, "block_size", 16);
  Expanded expanded(builder);
  EXPECT_THAT(expanded.Operators(), ElementsAre("our DequantizeLinear", "MatMul"));
  EXPECT_THAT(expanded.ConstantInput("DequantizeLinear", 0), ElementsAreArray(expected));
  const Bytes scales = expanded.ConstantInput("DequantizeLinear", 1);
  std::array<float, 4> numbers;
  ASSERT_EQ(scales.size(), sizeof(numbers));
  std::copy_n(scales.data(), sizeof(numbers), reinterpret_cast<uint8_t*>(numbers.data()));
  EXPECT_THAT(numbers, ElementsAre(1, 3, 2, 4));
}

// A product of 2 rows of 32 elements in blocks of 16.
struct Product : ModelBuilder {
  Product(int64_t bits, std::string weight, int scale_type) : ModelBuilder(17) {
    ImportContributed(*this);
    const bool is_half = scale_type == ::onnx::TensorProto::FLOAT16;
    Input("x", {1, 32}, scale_type).Output("y", {1, 2}, scale_type);
    AddTensor(*this, "w", ::onnx::TensorProto::UINT8, {2, 2, 2 * bits}, std::move(weight));
    AddTensor(*this, "scales", scale_type, {4}, std::string(is_half ? 8 : 16, '\x11'));
    ::onnx::NodeProto* node = Contributed(*this, "MatMulNBits", {"x", "w", "scales"}, {"y"});
    AddInt(node, "K", 32);
    AddInt(node, "N", 2);
    AddInt(node, "bits", bits);
    AddInt(node, "block_size", 16);
  }
};

TEST(MatMulNBits, TakesTwoAndEightBitsWithZerosInTheMiddle) {
  Expanded two(Product(2, std::string(8, '\xE4') + std::string(8, '\x1B'), kFloat));
  EXPECT_THAT(two.Operators(), ElementsAre("our DequantizeLinear", "MatMul"));
  const Bytes elements = two.ConstantInput("DequantizeLinear", 0);
  ASSERT_EQ(elements.size(), 64U);
  EXPECT_THAT(Bytes(elements.begin(), elements.begin() + 8), ElementsAre(0, 3, 1, 2, 2, 1, 3, 0));
  EXPECT_THAT(two.ConstantInput("DequantizeLinear", 2), ElementsAre(2, 2, 2, 2));
  Expanded eight(Product(8, std::string(32, '\x07') + std::string(32, '\xF0'), kFloat));
  EXPECT_THAT(eight.ConstantInput("DequantizeLinear", 2), Each(128));
  EXPECT_EQ(eight.ConstantInput("DequantizeLinear", 0)[1], 0xF0);
}

TEST(MatMulNBits, ComputesInFloatsWhereScalesAreHalves) {
  const Product builder(4, std::string(32, '\x21'), ::onnx::TensorProto::FLOAT16);
  const Expanded expanded(builder);
  EXPECT_THAT(expanded.Operators(),
              ElementsAre("Cast", "our DequantizeLinear", "Cast", "MatMul", "Cast"));
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

TEST(MatMulNBits, IsLeftToBeRefusedWhereItsWeightIsNoConstantOfThatSize) {
  EXPECT_EQ(Expanded(Product(4, std::string(31, '\0'), kFloat)).count, 0U);
  EXPECT_EQ(Expanded(Product(3, std::string(24, '\0'), kFloat)).count, 0U);
}

struct TableCase {
  int type = ::onnx::TensorProto::UINT8;
  int64_t bits = 4;
  std::string data = {};
  std::string zeros = {};
};

// Two rows of 20 elements in blocks of 16.
struct Table : ModelBuilder {
  explicit Table(const TableCase& c) : ModelBuilder(21) {
    ImportContributed(*this);
    Input("i", {3}, ::onnx::TensorProto::INT64).Output("y", {3, 20});
    const bool is_packed = c.type == ::onnx::TensorProto::UINT8 && c.bits < 8;
    AddTensor(*this, "w", c.type, {2, is_packed ? 20 * c.bits / 8 : 20}, c.data);
    Floats("scales", {2, 2}, {1, 2, 3, 4});
    std::vector<std::string> inputs = {"w", "i", "scales"};
    if (!c.zeros.empty()) {
      AddTensor(*this, "zeros", c.type, {2, is_packed ? 1 : 2}, c.zeros);
      inputs.emplace_back("zeros");
    }
    ::onnx::NodeProto* node = Contributed(*this, "GatherBlockQuantized", inputs, {"y"});
    AddInt(node, "block_size", 16);
    AddInt(node, "bits", c.bits);
  }
};

TEST(GatherBlockQuantized, LooksRowsUpBeforeItScalesThem) {
  const Table builder({.data = std::string(20, '\x21')});
  Expanded expanded(builder);
  EXPECT_THAT(expanded.Operators(),
              ElementsAre("Gather", "Gather", "Gather", "our DequantizeLinear"));
  const Bytes elements = expanded.ConstantInput("Gather", 0);
  ASSERT_EQ(elements.size(), 40U);
  EXPECT_THAT(Bytes(elements.begin(), elements.begin() + 4), ElementsAre(1, 2, 1, 2));
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

TEST(GatherBlockQuantized, TakesZeroPointsRowByRow) {
  const Table builder({.data = std::string(20, '\x21'), .zeros = "\x43\x65"});
  Expanded expanded(builder);
  const ProgramNode& last = expanded.program.main.nodes[2];
  const auto zeros = onnx::ReadTensorData(*expanded.program.constants.at(last.inputs.at(0)).tensor,
                                          expanded.files);
  ASSERT_TRUE(zeros.has_value());
  EXPECT_THAT(zeros->bytes(), ElementsAre(3, 4, 5, 6));
}

TEST(GatherBlockQuantized, TakesBytesAndFourBitTypesAsTheyAre) {
  const Table bytes({.bits = 8, .data = std::string(40, '\x80')});
  EXPECT_EQ(Expanded(bytes).count, 1U);
  EXPECT_TRUE(Split(bytes.Serialize()).has_value());
  const Table nibbles({.type = 22, .data = std::string(20, '\xF8')});  // INT4
  Expanded expanded(nibbles);
  EXPECT_THAT(expanded.Operators(), ElementsAre("Gather", "Gather", "our DequantizeLinear"));
  const Bytes elements = expanded.ConstantInput("Gather", 0);
  EXPECT_THAT(Bytes(elements.begin(), elements.begin() + 2), ElementsAre(0xF8, 0xFF));
}

TEST(GatherBlockQuantized, IsLeftToBeRefusedWhereItCantBeExpressed) {
  Table columns({.data = std::string(20, '\0')});
  AddInt(columns.get()->mutable_node(0), "gather_axis", 1);
  EXPECT_EQ(Expanded(columns).count, 0U);
  EXPECT_EQ(Expanded(Table({.data = std::string(19, '\0')})).count, 0U);
  Table block({.data = std::string(20, '\0')});
  block.get()->mutable_node(0)->mutable_attribute(0)->set_i(32);
  EXPECT_EQ(Expanded(block).count, 0U);
}

}  // namespace
}  // namespace ephemeralml::decompose
