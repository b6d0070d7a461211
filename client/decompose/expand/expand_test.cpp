#include "client/decompose/expand/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "client/decompose/testing/expanded_model.h"
#include "client/decompose/testing/split_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

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

TEST(Expand, TakesTheQuantizedProjectionsOfAttentionApart) {
  ModelBuilder builder(13);
  ImportContributed(builder);
  builder.Input("x", {1, 2, 4}, ::onnx::TensorProto::UINT8).Output("y", {1, 2, 4});
  ::onnx::TensorProto* weights = builder.get()->add_initializer();
  weights->set_name("w");
  weights->set_data_type(::onnx::TensorProto::UINT8);
  for (const int64_t dim : {4, 12}) weights->add_dims(dim);
  weights->set_raw_data(std::string(48, '\1'));
  builder.Floats("bias", {12}, Counting(12));
  builder.Floats("scale", {}, {0.5});
  auto* node = Contributed(builder, "QAttention", {"x", "w", "bias", "scale", "scale"}, {"y"});
  AddInt(node, "num_heads", 2);
  EXPECT_THAT(Expanded(builder).Operators(), ElementsAre("MatMulInteger", "Cast", "Mul", "Mul",
                                                         "Add", "Split", "MultiHeadAttention"));
  EXPECT_TRUE(Split(builder.Serialize()).has_value());
}

TEST(Expand, SplitsColumnsIntoValuesAndGates) {
  for (const int64_t opset : {12, 18}) {
    ModelBuilder builder(opset);
    ImportContributed(builder);
    builder.Input("x", {1, 2, 4}).Output("y", {1, 2, 2});
    builder.Floats("bias", {4}, Counting(4));
    Contributed(builder, "BiasSplitGelu", {"x", "bias"}, {"y"});
    const Expanded expanded(builder);
    EXPECT_THAT(expanded.Operators(), ElementsAre("Add", "Split", "our Gelu", "Mul"));
    const auto& nodes = expanded.program.main.nodes;
    EXPECT_EQ(nodes[2].inputs[0], nodes[1].outputs[1]);
    EXPECT_EQ(nodes[3].inputs[0], nodes[1].outputs[0]);
    EXPECT_TRUE(Split(builder.Serialize()).has_value());
  }
}

TEST(Expand, GivesUpsampleOfOldItsScalesAsAnInput) {
  for (const int64_t opset : {1, 7}) {
    ModelBuilder builder(opset);
    builder.Input("x", {1, 1, 2, 2}).Output("y", {1, 1, 4, 6});
    ::onnx::NodeProto* node = builder.Node("Upsample", {"x"}, {"y"});
    if (opset == 1) {
      AddFloat(node, "height_scale", 2);
      AddFloat(node, "width_scale", 3);
    } else {
      ::onnx::AttributeProto* scales = node->add_attribute();
      scales->set_name("scales");
      scales->set_type(::onnx::AttributeProto::FLOATS);
      for (const float scale : {1.0F, 1.0F, 2.0F, 3.0F}) scales->add_floats(scale);
    }
    Expanded expanded(builder);
    EXPECT_THAT(expanded.Operators(), ElementsAre("our Upsample"));
    const std::array<float, 4> wanted = {1, 1, 2, 3};
    const Bytes scales = expanded.ConstantInput("Upsample", 1);
    ASSERT_EQ(scales.size(), sizeof(wanted));
    EXPECT_EQ(std::memcmp(scales.data(), wanted.data(), sizeof(wanted)), 0);
    EXPECT_TRUE(Split(builder.Serialize()).has_value());
  }
}

TEST(Expand, FollowsTheSoftmaxThatItsNodeNames) {
  for (const int64_t opset : {12, 13}) {
    ModelBuilder builder(13);
    ImportContributed(builder);
    builder.Input("x", {2, 4}, ::onnx::TensorProto::UINT8);
    builder.Output("y", {2, 4}, ::onnx::TensorProto::UINT8);
    builder.Floats("scale", {}, {0.5});
    auto* node = Contributed(builder, "QLinearSoftmax", {"x", "scale", "", "scale", ""}, {"y"});
    AddInt(node, "opset", opset);
    EXPECT_EQ(Expanded(builder).count, opset == 13 ? 1U : 0U);
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
