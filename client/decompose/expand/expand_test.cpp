#include "client/decompose/expand/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "client/decompose/onnx/read_model.h"
#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/program/resolve.h"
#include "client/decompose/testing/models.h"
#include "client/decompose/testing/split_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

::onnx::NodeProto* Contributed(ModelBuilder& builder, const std::string& op,
                               const std::vector<std::string>& inputs,
                               const std::vector<std::string>& outputs) {
  ::onnx::NodeProto* node = builder.Node(op, inputs, outputs);
  node->set_domain("com.microsoft");
  return node;
}

void ImportContributed(ModelBuilder& builder) {
  auto* set = builder.model().add_opset_import();
  set->set_domain("com.microsoft");
  set->set_version(1);
}

// A model after Expand, which must outlive what looks at it.
struct Expanded {
  explicit Expanded(const ModelBuilder& builder) : bytes(builder.Serialize()) {
    auto read = onnx::ReadModel(bytes);
    CHECK(read.has_value());
    model = std::make_unique<onnx::Model>(*std::move(read));
    auto resolved = Resolve(*model);
    CHECK(resolved.has_value());
    program = *std::move(resolved);
    count = Expand(program, files);
  }

  std::vector<std::string> Operators() const {
    std::vector<std::string> names;
    for (const ProgramNode& node : program.main.nodes) {
      names.push_back((node.domain == kOwnDomain ? "our " : "") + std::string(node.op));
    }
    return names;
  }
  Bytes ConstantInput(std::string_view op, size_t input) {
    for (const ProgramNode& node : program.main.nodes) {
      if (node.op != op) continue;
      const auto data =
          onnx::ReadTensorData(*program.constants.at(node.inputs.at(input)).tensor, files);
      return {data->bytes().begin(), data->bytes().end()};
    }
    return {};
  }

  Bytes bytes;
  std::unique_ptr<onnx::Model> model;
  onnx::ExternalFiles files;
  Program program;
  size_t count = 0;
};

TEST(Expand, LeavesOrdinaryOperatorsAlone) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2}).Node("Relu", {"x"}, {"y"});
  const Expanded expanded(builder);
  EXPECT_EQ(expanded.count, 0u);
  EXPECT_THAT(expanded.Operators(), ElementsAre("Relu"));
}

TEST(Expand, TakesSkipLayerNormalizationApart) {
  ModelBuilder builder;
  ImportContributed(builder);
  builder.Input("x", {1, 2, 4}).Input("skip", {1, 2, 4}).Output("y", {1, 2, 4});
  builder.Output("sum", {1, 2, 4});
  builder.Floats("scale", {4}, {1, 1, 1, 1});
  builder.Floats("shift", {4}, {0, 0, 0, 0});
  builder.Floats("bias", {4}, {1, 2, 3, 4});
  Contributed(builder, "SkipLayerNormalization", {"x", "skip", "scale", "shift", "bias"},
              {"y", "", "", "sum"});
  const Expanded expanded(builder);
  EXPECT_THAT(expanded.Operators(), ElementsAre("Add", "Add", "our LayerNormalization"));
  EXPECT_FLOAT_EQ(*FloatAttribute(expanded.program.main.nodes[2], "epsilon"), 1e-12F);
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

TEST(Expand, TakesTheProjectionsOfAttentionApart) {
  for (const int64_t opset : {12, 17, 21}) {
    ModelBuilder builder(opset);
    ImportContributed(builder);
    builder.Input("x", {1, 2, 4}).Output("y", {1, 2, 4}).Output("present", {2, 1, 2, 3, 2});
    builder.Input("past", {2, 1, 2, 1, 2});
    builder.Floats("weights", {4, 12}, Counting(48));
    builder.Floats("bias", {12}, Counting(12));
    auto* node =
        Contributed(builder, "Attention", {"x", "weights", "bias", "", "past"}, {"y", "present"});
    AddInt(node, "num_heads", 2);
    EXPECT_THAT(Expanded(builder).Operators(),
                ElementsAre("MatMul", "Add", "Split", "Gather", "Gather", "MultiHeadAttention",
                            "Unsqueeze", "Unsqueeze", "Concat"));
    EXPECT_TRUE(Split(builder.Serialize()).has_value());
    AddInt(node, "do_rotary", 1);
    EXPECT_EQ(Expanded(builder).count, 0u);
  }
}

TEST(Expand, LeavesWhatItCantExpressToBeRefused) {
  ModelBuilder builder;
  ImportContributed(builder);
  builder.Input("x", {1, 2, 4}).Output("y", {1, 2, 4}).Output("mean", {1, 2, 1});
  builder.Floats("scale", {4}, {1, 1, 1, 1});
  Contributed(builder, "SkipLayerNormalization", {"x", "x", "scale"}, {"y", "mean"});
  EXPECT_EQ(Expanded(builder).count, 0u);
  const auto split = Split(builder.Serialize());
  ASSERT_FALSE(split.has_value());
  EXPECT_EQ(split.error().reason, "operator_unsupported");
}

TEST(Expand, RunsWithoutAVersionOfTheDefaultDomain) {
  ModelBuilder builder;
  builder.model().clear_opset_import();
  ImportContributed(builder);
  builder.Input("x", {4}).Input("bias", {4}).Output("y", {4});
  Contributed(builder, "BiasGelu", {"x", "bias"}, {"y"});
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

TEST(Expand, KeepsOurDomainClosedToModels) {
  ModelBuilder builder;
  builder.Input("x", {4}).Output("y", {4});
  builder.Node("Gelu", {"x"}, {"y"})->set_domain("ephemeralml");
  const auto split = Split(builder.Serialize());
  ASSERT_FALSE(split.has_value());
  EXPECT_EQ(split.error().reason, "domain_reserved");
}

TEST(Expand, ExpandsNodesOfBranches) {
  ModelBuilder builder(13);
  ImportContributed(builder);
  builder.Input("choice", {}, ::onnx::TensorProto::BOOL).Input("x", {4}).Output("y", {4});
  ::onnx::NodeProto* node = builder.Node("If", {"choice"}, {"y"});
  for (const char* branch : {"then_branch", "else_branch"}) {
    GraphBuilder graph = AddGraph(node, branch);
    graph.Node("QuickGelu", {"x"}, {std::string(branch) + "_y"})->set_domain("com.microsoft");
    graph.Output(std::string(branch) + "_y", {4});
  }
  EXPECT_EQ(Expanded(builder).count, 2u);
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

TEST(Expand, GivesFourBitWeightsAByteEach) {
  ModelBuilder builder(21);
  builder.Output("y", {5});
  ::onnx::TensorProto* tensor = builder.get()->add_initializer();
  tensor->set_name("w");
  tensor->set_data_type(22);  // INT4
  tensor->add_dims(5);
  tensor->set_raw_data(std::string("\x21\xF8\x07", 3));
  builder.Floats("scale", {}, {1});
  builder.Node("DequantizeLinear", {"w", "scale"}, {"y"});
  Expanded expanded(builder);
  EXPECT_THAT(expanded.Operators(), ElementsAre("our DequantizeLinear"));
  EXPECT_THAT(expanded.ConstantInput("DequantizeLinear", 0), ElementsAre(1, 2, 0xF8, 0xFF, 7));
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

struct Float8Case {
  int type = 0;
  std::string bytes;
  std::vector<uint16_t> halves;
};

// One, the greatest, the least, minus zero or no number, and no number.
TEST(Expand, GivesEightBitFloatsTheSameValuesAsFloat16) {
  const std::vector<Float8Case> cases = {
      {17, "\x38\xFE\x01\x80\x7F", {0x3C00, 0xDF00, 0x1800, 0x8000, 0x7E00}},
      {18, "\x40\xFF\x01\x80\x09", {0x3C00, 0xDB80, 0x1400, 0x7E00, 0x2080}},
      {19, "\x3C\xFB\x01\x80\x7F", {0x3C00, 0xFB00, 0x0100, 0x8000, 0x7E00}},
      {19, "\x7C\xFC\x03\x02\x7D", {0x7C00, 0xFC00, 0x0300, 0x0200, 0x7E00}},
      {20, "\x40\xFF\x01\x80\x05", {0x3C00, 0xFB00, 0x0080, 0x7E00, 0x0280}},
  };
  for (const Float8Case& c : cases) {
    ModelBuilder builder(19);
    builder.Output("y", {5});
    ::onnx::TensorProto* tensor = builder.get()->add_initializer();
    tensor->set_name("w");
    tensor->set_data_type(c.type);
    tensor->add_dims(5);
    tensor->set_raw_data(std::string(c.bytes.data(), 5));
    AddInt(builder.Node("Cast", {"w"}, {"y"}), "to", kFloat);
    Expanded expanded(builder);
    Bytes wanted;
    for (const uint16_t half : c.halves) {
      wanted.push_back(static_cast<uint8_t>(half));
      wanted.push_back(static_cast<uint8_t>(half >> 8));
    }
    EXPECT_THAT(expanded.ConstantInput("Cast", 0), ElementsAreArray(wanted)) << c.type;
    EXPECT_TRUE(Split(builder.Serialize()).has_value());
  }
}

TEST(Expand, ScalesEightBitFloatsAlongTheirAxis) {
  ModelBuilder builder(19);
  builder.Output("y", {2, 3});
  for (const char* name : {"w", "zero"}) {
    ::onnx::TensorProto* tensor = builder.get()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(17);
    if (name[0] == 'w') tensor->add_dims(2);
    tensor->add_dims(name[0] == 'w' ? 3 : 2);
    tensor->set_raw_data(std::string(name[0] == 'w' ? 6 : 2, '\0'));
  }
  builder.Floats("scale", {2}, {1, 2});
  ::onnx::NodeProto* node = builder.Node("DequantizeLinear", {"w", "scale", "zero"}, {"y"});
  AddInt(node, "axis", -2);
  EXPECT_THAT(Expanded(builder).Operators(), ElementsAre("Reshape", "CastLike", "Mul"));
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
  builder.get()->mutable_initializer(1)->set_raw_data(std::string("\0\x38", 2));
  EXPECT_EQ(Expanded(builder).count, 0u);  // a zero point that isn't zero
  EXPECT_FALSE(Split(builder.Serialize()).has_value());
}

TEST(Expand, TransposesTheWeightOfMatMulNBits) {
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

TEST(Expand, LeavesNodesWithoutInputsAlone) {
  for (const ExpandedOperator& op : ExpandedOperators()) {
    ModelBuilder builder(11);
    ImportContributed(builder);
    builder.Output("y", {4});
    builder.Node(std::string(op.name), {}, {"y"})->set_domain(std::string(op.domain));
    EXPECT_EQ(Expanded(builder).count, 0u) << op.name;
    if (op.domain == kContributedDomain) {
      EXPECT_FALSE(Split(builder.Serialize()).has_value()) << op.name;
    }
  }
}

}  // namespace
}  // namespace ephemeralml::decompose
