#include "client/decompose/onnx/read_model.h"

#include <gtest/gtest.h>

#include "client/decompose/testing/models.h"

namespace ephemeralml::onnx {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddGraph;
using decompose::testing::AddInt;
using decompose::testing::AddInts;
using decompose::testing::AddString;
using decompose::testing::AddTensor;
using decompose::testing::FillFloats;
using decompose::testing::ModelBuilder;

// A model with one of everything that is read.
Bytes Sample() {
  ModelBuilder builder(17);
  builder.model().set_producer_name("nobody");
  builder.model().mutable_graph()->set_doc_string("not read");
  auto* other = builder.model().add_opset_import();
  other->set_domain("com.example");
  other->set_version(3);
  builder.Input("x", {-1, 3}).Output("y", {2});
  builder.Floats("w", {1, 2}, {1.5F, -2});
  auto* node = builder.Node("Conv", {"x", "", "w"}, {"y"});
  node->set_name("first");
  node->set_domain("com.example");
  AddInt(node, "group", -7);
  AddFloat(node, "alpha", 0.5F);
  AddInts(node, "pads", {0, -1, 1'000'000'000'000});
  AddString(node, "mode", "same");
  FillFloats(AddTensor(node, "value"), {1}, {3});
  AddGraph(node, "body").Node("Relu", {"x"}, {"inner"});
  return builder.Serialize();
}

std::string Outcome(ByteSpan bytes) {
  const Bytes exact(bytes.begin(), bytes.end());  // so that a sanitizer sees reads past the end
  const auto model = ReadModel(exact);
  return model ? "read" : std::string(model.error().reason);
}

TEST(ReadModel, ReadsWhatOnnxsOwnClassesWrote) {
  const Bytes bytes = Sample();
  const Model model = ReadModel(bytes).value();
  ASSERT_EQ(model.operator_sets.size(), 2U);
  EXPECT_EQ(model.operator_sets[0].version, 17);
  EXPECT_EQ(model.operator_sets[1].domain, "com.example");
  ASSERT_EQ(model.graph.inputs.size(), 1U);
  const ValueInfo& input = model.graph.inputs[0];
  EXPECT_EQ(input.name, "x");
  EXPECT_TRUE(input.is_tensor);
  EXPECT_EQ(input.element_type, 1);
  ASSERT_EQ(input.shape->size(), 2U);
  EXPECT_EQ((*input.shape)[0].symbol, "any");
  EXPECT_FALSE((*input.shape)[0].value.has_value());
  EXPECT_EQ((*input.shape)[1].value, 3);
  EXPECT_EQ(model.graph.outputs.at(0).name, "y");
  const Tensor& tensor = model.graph.initializers.at(0);
  EXPECT_EQ(tensor.name, "w");
  EXPECT_EQ(tensor.dims, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(tensor.raw_data->size(), 8U);
}

TEST(ReadModel, ReadsNodesAndTheirAttributes) {
  const Bytes bytes = Sample();
  const Model model = ReadModel(bytes).value();
  const Node& node = model.graph.nodes.at(0);
  EXPECT_EQ(node.name, "first");
  EXPECT_EQ(node.op_type, "Conv");
  EXPECT_EQ(node.domain, "com.example");
  EXPECT_EQ(node.inputs, (std::vector<std::string_view>{"x", "", "w"}));
  ASSERT_EQ(node.attributes.size(), 6U);
  EXPECT_EQ(node.attributes[0].type, AttributeType::kInt);
  EXPECT_EQ(node.attributes[0].i, -7);
  EXPECT_EQ(node.attributes[1].f, 0.5F);
  EXPECT_EQ(node.attributes[2].ints, (std::vector<int64_t>{0, -1, 1'000'000'000'000}));
  EXPECT_EQ(node.attributes[3].s, "same");
  EXPECT_EQ(node.attributes[4].tensor->dims, std::vector<int64_t>{1});
  EXPECT_EQ(node.attributes[5].type, AttributeType::kGraph);
  EXPECT_EQ(node.attributes[5].graph->nodes.at(0).op_type, "Relu");
}

TEST(ReadModel, TakesTheWeightsWhereTheyLie) {
  const Bytes bytes = Sample();
  const Model model = ReadModel(bytes).value();
  const ByteSpan data = *model.graph.initializers.at(0).raw_data;
  EXPECT_GE(data.data(), bytes.data());
  EXPECT_LE(data.data() + data.size(), bytes.data() + bytes.size());
}

// Before IR version 3 an attribute didn't say its type.
TEST(ReadModel, KnowsAnAttributesTypeFromItsValue) {
  ModelBuilder builder;
  auto* attribute = AddInts(builder.Node("Foo", {}, {}), "axes", {1});
  attribute->clear_type();
  const Bytes bytes = builder.Serialize();
  EXPECT_EQ(ReadModel(bytes)->graph.nodes.at(0).attributes.at(0).type, AttributeType::kInts);
}

TEST(ReadModel, RefusesWhatIsNoModel) {
  EXPECT_EQ(Outcome({}), "onnx_malformed");
  EXPECT_EQ(Outcome(AsBytes("a text, for instance")), "onnx_malformed");
  EXPECT_EQ(Outcome(Bytes(100, 0xFF)), "onnx_malformed");
  EXPECT_EQ(Outcome(Bytes(100, 0)), "onnx_malformed");
}

TEST(ReadModel, SurvivesTruncationAtEveryByteAndTrailingBytes) {
  Bytes bytes = Sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string outcome = Outcome(ByteSpan(bytes).first(size));
    EXPECT_TRUE(outcome == "onnx_malformed" || outcome == "read") << size << outcome;
  }
  bytes.push_back(0);
  EXPECT_EQ(Outcome(bytes), "onnx_malformed");
}

TEST(ReadModel, SurvivesEveryBitFlip) {
  Bytes bytes = Sample();
  size_t refused = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    refused += Outcome(bytes) == "read" ? 0 : 1;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  EXPECT_GT(refused, bytes.size());
}

TEST(ReadModel, RefusesGraphsNestedTooDeeply) {
  const auto nested = [](int depth) {
    ModelBuilder builder;
    decompose::testing::GraphBuilder graph = builder;
    for (int i = 1; i < depth; ++i) graph = AddGraph(graph.Node("If", {}, {}), "then_branch");
    return Outcome(builder.Serialize());
  };
  EXPECT_EQ(nested(kDeepestGraph), "read");
  EXPECT_EQ(nested(kDeepestGraph + 1), "onnx_too_large");
}

TEST(ReadModel, RefusesMorePartsThanItsLimit) {
  ModelBuilder builder;
  AddInts(builder.Node("Foo", {}, {}), "ints", std::vector<int64_t>(kMostItems));
  EXPECT_EQ(Outcome(builder.Serialize()), "onnx_too_large");
}

TEST(ReadModel, RefusesAModelWithoutAGraphOrWithTwo) {
  ModelBuilder builder;
  Bytes bytes = builder.Serialize();
  const Bytes once = bytes;
  AppendBytes(bytes, once);
  EXPECT_EQ(Outcome(bytes), "onnx_malformed");
  builder.model().clear_graph();
  EXPECT_EQ(Outcome(builder.Serialize()), "onnx_malformed");
}

}  // namespace
}  // namespace ephemeralml::onnx
