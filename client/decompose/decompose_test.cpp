#include "client/decompose/decompose.h"

#include <gtest/gtest.h>

#include <cstring>

#include "client/decompose/testing/models.h"
#include "client/decompose/testing/split_model.h"
#include "client/decompose/weight_plan.h"
#include "common/wire/topology_format.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;

Bytes BytesOf(const std::vector<float>& values) {
  Bytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// As it is: what preparation makes of graphs is tested beside its passes.
SplitModel SplitOf(const ModelBuilder& builder) {
  return Split(builder.Serialize(), {.preparation = false}).value();
}

// x[-1,K] · w[K,N] + b[N], as two nodes.
void AddLinear(ModelBuilder& builder, int64_t k, int64_t n) {
  builder.Input("x", {-1, k}).Output("y", {-1, n});
  builder.Floats("b", {n}, Counting(static_cast<size_t>(n), 0.25F));
  builder.Floats("w", {k, n}, Counting(static_cast<size_t>(k * n)));
  builder.Node("MatMul", {"x", "w"}, {"xw"});
  builder.Node("Add", {"xw", "b"}, {"y"});
}

TEST(Decompose, SealsEveryWeightSoThatItOpensAgain) {
  ModelBuilder builder;
  AddLinear(builder, 3, 5);
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.WeightOf(split.NodeOf("MatMul").inputs(1)), BytesOf(Counting(15)));
  EXPECT_EQ(split.WeightOf(split.NodeOf("Add").inputs(1)), BytesOf(Counting(5, 0.25F)));
  EXPECT_EQ(split.report.sealed_weights, 2U);
  EXPECT_EQ(split.report.sealed_weight_bytes, 80U);
  EXPECT_EQ(split.report.nodes, 2U);
}

TEST(Decompose, KeepsTheGraph) {
  ModelBuilder builder(13);
  AddLinear(builder, 3, 5);
  const SplitModel split = SplitOf(builder);
  const wire::Graph& graph = split.topology.graph();
  EXPECT_EQ(split.topology.format_version(), wire::kTopologyFormatVersion);
  ASSERT_EQ(split.topology.operator_sets_size(), 1);
  EXPECT_EQ(split.topology.operator_sets(0).version(), 13U);
  ASSERT_EQ(graph.nodes_size(), 2);
  EXPECT_EQ(graph.nodes(0).operator_(), "MatMul");
  EXPECT_EQ(graph.nodes(0).inputs(0), graph.inputs(0).id());
  EXPECT_EQ(graph.nodes(0).outputs(0), graph.nodes(1).inputs(0));
  EXPECT_EQ(graph.nodes(1).outputs(0), graph.outputs(0).id());
  EXPECT_EQ(graph.inputs(0).name(), "x");
  EXPECT_EQ(graph.inputs(0).type(), wire::FLOAT);
  ASSERT_EQ(graph.inputs(0).shape_size(), 2);
  EXPECT_EQ(graph.inputs(0).shape(0).size(), -1);
  EXPECT_EQ(graph.inputs(0).shape(0).symbol(), "any");
  EXPECT_EQ(graph.inputs(0).shape(1).size(), 3);
}

TEST(Decompose, KeepsAttributesOfEveryKind) {
  ModelBuilder builder;
  builder.Input("x", {1}).Output("y", {1});
  auto* node = builder.Node("Relu", {"x"}, {"y"});
  AddInt(node, "i", -3);
  AddFloat(node, "f", 0.5F);
  AddString(node, "s", "text");
  AddInts(node, "ints", {4, -5});
  auto* floats = node->add_attribute();
  floats->set_name("floats");
  floats->set_type(::onnx::AttributeProto::FLOATS);
  floats->add_floats(1.5F);
  auto* strings = node->add_attribute();
  strings->set_name("strings");
  strings->set_type(::onnx::AttributeProto::STRINGS);
  strings->add_strings("a");
  strings->add_strings("");
  FillInts(AddTensor(node, "tensor"), {2}, {7, 8});
  const SplitModel split = SplitOf(builder);
  const auto& attributes = split.NodeOf("Relu").attributes();
  ASSERT_EQ(attributes.size(), 7);
  EXPECT_EQ(attributes[0].name(), "i");
  EXPECT_EQ(attributes[0].i(), -3);
  EXPECT_EQ(attributes[1].f(), 0.5F);
  EXPECT_EQ(attributes[2].s(), "text");
  EXPECT_EQ(attributes[3].ints().values(1), -5);
  EXPECT_EQ(attributes[4].floats().values(0), 1.5F);
  EXPECT_EQ(attributes[5].strings().values_size(), 2);
  EXPECT_EQ(attributes[6].tensor().type(), wire::INT64);
  EXPECT_EQ(attributes[6].tensor().data().size(), 16U);
}

TEST(Decompose, TellsNothingOfNamesButThoseOfInputsAndOutputs) {
  ModelBuilder builder;
  builder.Input("input-name", {2}).Output("output-name", {2});
  builder.model().set_producer_name("CANARY-producer");
  builder.model().set_doc_string("CANARY-doc");
  builder.get()->set_name("CANARY-graph");
  auto* property = builder.model().add_metadata_props();
  property->set_key("CANARY-key");
  property->set_value("CANARY-value");
  auto* unused = builder.model().add_opset_import();
  unused->set_domain("CANARY-domain");
  unused->set_version(1);
  builder.Floats("CANARY-weight", {2}, {1, 2});
  builder.Node("Add", {"input-name", "CANARY-weight"}, {"CANARY-value"})->set_name("CANARY-node");
  builder.Node("Relu", {"CANARY-value"}, {"output-name"})->set_doc_string("CANARY-doc");
  const SplitModel split = SplitOf(builder);
  const std::string key(AsText(split.report.topology_message.Reveal()));
  EXPECT_NE(key.find("input-name"), std::string::npos);
  EXPECT_EQ(key.find("CANARY"), std::string::npos);
  const Bytes plaintext = split.Plaintext();
  EXPECT_EQ(AsText(plaintext).find("CANARY"), std::string::npos);
}

TEST(Decompose, SealsFloatsHoweverFewAndKeepsSmallIntegersInline) {
  ModelBuilder builder;
  builder.Input("x", {4}).Output("y", {2, 2});
  builder.Floats("one", {}, {1});
  builder.Ints("shape", {2}, {2, 2});
  builder.Node("Add", {"x", "one"}, {"x1"});
  builder.Node("Reshape", {"x1", "shape"}, {"y"});
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.FindWeight(split.NodeOf("Add").inputs(1))->inline_data(), "");
  EXPECT_EQ(split.FindWeight(split.NodeOf("Reshape").inputs(1))->inline_data().size(), 16U);
  EXPECT_EQ(split.report.inline_constants, 1U);
  EXPECT_EQ(split.report.sealed_weights, 1U);
}

TEST(Decompose, SealsIntegersThatAreMany) {
  const auto sealed = [](int64_t count) {
    ModelBuilder builder;
    builder.Input("x", {1}, kInt64).Output("y", {count}, kInt64);
    builder.Ints("table", {count}, std::vector<int64_t>(static_cast<size_t>(count), 9));
    builder.Node("Add", {"x", "table"}, {"y"});
    return SplitOf(builder).report.sealed_weights;
  };
  EXPECT_EQ(sealed(64), 0U);
  EXPECT_EQ(sealed(65), 1U);
}

TEST(Decompose, SealsConstantNodesLikeInitializers) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2});
  FillFloats(AddTensor(builder.Node("Constant", {}, {"c1"}), "value"), {2}, {3, 4});
  AddFloat(builder.Node("Constant", {}, {"c2"}), "value_float", 5);
  AddInts(builder.Node("Constant", {}, {"c3"}), "value_ints", {0});
  builder.Node("Add", {"x", "c1"}, {"a"});
  builder.Node("Mul", {"a", "c2"}, {"b"});
  builder.Node("Unsqueeze", {"b", "c3"}, {"y"});
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.topology.graph().nodes_size(), 3);
  EXPECT_EQ(split.WeightOf(split.NodeOf("Add").inputs(1)), BytesOf({3, 4}));
  EXPECT_EQ(split.WeightOf(split.NodeOf("Mul").inputs(1)), BytesOf({5}));
  EXPECT_EQ(split.FindWeight(split.NodeOf("Mul").inputs(1))->dims_size(), 0);
  EXPECT_EQ(split.FindWeight(split.NodeOf("Unsqueeze").inputs(1))->inline_data(),
            std::string(8, '\0'));
}

TEST(Decompose, LaysWeightsInTheOrderOfTheirFirstUse) {
  ModelBuilder builder;
  builder.Input("x", {3}).Output("y", {3});
  builder.Floats("third", {3}, Counting(3));
  builder.Floats("first", {3}, Counting(3));
  builder.Floats("unused", {3}, Counting(3));
  builder.Floats("second", {3}, Counting(3));
  builder.Node("Add", {"x", "first"}, {"a"});
  builder.Node("Mul", {"second", "a"}, {"b"});
  builder.Node("Sub", {"b", "third"}, {"c"});
  builder.Node("Div", {"c", "first"}, {"y"});
  const SplitModel split = SplitOf(builder);
  ASSERT_EQ(split.topology.weights_size(), 3);
  EXPECT_EQ(split.topology.weights(0).value(), split.NodeOf("Add").inputs(1));
  EXPECT_EQ(split.topology.weights(1).value(), split.NodeOf("Mul").inputs(0));
  EXPECT_EQ(split.topology.weights(2).value(), split.NodeOf("Sub").inputs(1));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(split.topology.weights(i).offset(), 64U * i);
}

TEST(Decompose, CutsTheRightFactorOfOneProductIntoColumns) {
  ModelBuilder builder;
  AddLinear(builder, 384, 1000);
  const SplitModel split = SplitOf(builder);
  const uint32_t value = split.NodeOf("MatMul").inputs(1);
  const wire::Weight& weight = *split.FindWeight(value);
  EXPECT_EQ(weight.layout(), wire::COLUMN_PANELS);
  EXPECT_EQ(weight.panel_extent(), 48U);
  EXPECT_EQ(split.WeightOf(value), BytesOf(Counting(384 * 1000)));
  EXPECT_EQ(split.FindWeight(split.NodeOf("Add").inputs(1))->layout(), wire::ROW_PANELS);
}

TEST(Decompose, CutsPanelsToTheirTargetSize) {
  const auto extent = [](int64_t k, int64_t n) {
    ModelBuilder builder;
    AddLinear(builder, k, n);
    const SplitModel split = SplitOf(builder);
    return split.FindWeight(split.NodeOf("MatMul").inputs(1))->panel_extent();
  };
  EXPECT_EQ(extent(1, 3), 3U);
  EXPECT_EQ(extent(1152, 40), 16U);
  EXPECT_EQ(extent(1500, 40), 12U);
  EXPECT_EQ(extent(30'000, 2), 1U);
}

TEST(Decompose, LeavesEveryOtherWeightInRows) {
  const auto layout = [](const char* op, bool transposed, bool twice) {
    ModelBuilder builder;
    builder.Input("x", {4, 4}).Output("y", {4, 4});
    builder.Floats("w", {4, 4}, Counting(16));
    auto* node = builder.Node(op, {"x", "w"}, {"a"});
    if (transposed) AddInt(node, "transB", 1);
    builder.Node("Mul", {"a", twice ? "w" : "a"}, {"y"});
    const SplitModel split = SplitOf(builder);
    EXPECT_EQ(split.WeightOf(split.NodeOf(op).inputs(1)), BytesOf(Counting(16)));
    return split.FindWeight(split.NodeOf(op).inputs(1))->layout();
  };
  EXPECT_EQ(layout("Gemm", false, false), wire::COLUMN_PANELS);
  EXPECT_EQ(layout("Gemm", true, false), wire::ROW_PANELS);
  EXPECT_EQ(layout("MatMul", false, true), wire::ROW_PANELS);
  EXPECT_EQ(layout("Sub", false, false), wire::ROW_PANELS);
}

TEST(Decompose, CutsRowsToTheirTargetSize) {
  ModelBuilder builder;
  builder.Input("i", {-1}, kInt64).Output("y", {-1, 384});
  builder.Floats("table", {100, 384}, Counting(38'400));
  builder.Node("Gather", {"table", "i"}, {"y"});
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.topology.weights(0).panel_extent(), kPanelBytes / (384 * 4));
  EXPECT_EQ(split.topology.weights(0).layout(), wire::ROW_PANELS);
}

TEST(Decompose, TakesSubgraphsAndWhatTheyCapture) {
  ModelBuilder builder;
  builder.Input("x", {2}).Input("c", {}, ::onnx::TensorProto::BOOL).Output("y", {2});
  builder.Floats("outer", {2}, {1, 2});
  auto* branch = builder.Node("If", {"c"}, {"y"});
  GraphBuilder yes = AddGraph(branch, "then_branch");
  yes.Floats("inner", {2}, {3, 4});
  yes.Node("Mul", {"x", "inner"}, {"scaled"});
  yes.Node("Add", {"scaled", "outer"}, {"r"});
  yes.Output("r", {2});
  GraphBuilder no = AddGraph(branch, "else_branch");
  FillFloats(AddTensor(no.Node("Constant", {}, {"r"}), "value"), {2}, {5, 6});
  no.Output("r", {2});
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.WeightOf(split.NodeOf("Mul").inputs(1)), BytesOf({3, 4}));
  EXPECT_EQ(split.WeightOf(split.NodeOf("Add").inputs(1)), BytesOf({1, 2}));
  EXPECT_EQ(split.NodeOf("Mul").inputs(0), split.topology.graph().inputs(0).id());
  // A branch that is nothing but a weight makes it through an Identity.
  EXPECT_EQ(split.WeightOf(split.NodeOf("Identity").inputs(0)), BytesOf({5, 6}));
  const wire::Node& node = split.NodeOf("If");
  ASSERT_EQ(node.attributes_size(), 2);
  EXPECT_EQ(node.attributes(1).name(), "else_branch");
  EXPECT_EQ(node.attributes(1).graph().outputs(0).id(), split.NodeOf("Identity").outputs(0));
  EXPECT_EQ(node.attributes(1).graph().outputs(0).name(), "");
}

TEST(Decompose, PassesWeightsAndInputsThroughToOutputs) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("x", {2}).Output("w", {2});
  builder.Floats("w", {2}, {1, 2});
  const SplitModel split = SplitOf(builder);
  const wire::Graph& graph = split.topology.graph();
  ASSERT_EQ(graph.nodes_size(), 2);
  EXPECT_EQ(graph.outputs(0).name(), "x");
  EXPECT_EQ(graph.outputs(0).id(), graph.nodes(0).outputs(0));
  EXPECT_EQ(graph.nodes(0).inputs(0), graph.inputs(0).id());
  EXPECT_EQ(split.WeightOf(graph.nodes(1).inputs(0)), BytesOf({1, 2}));
}

TEST(Decompose, TakesInitializersThatOldModelsListAsInputs) {
  ModelBuilder builder;
  AddLinear(builder, 2, 2);
  builder.Input("w", {2, 2}).Input("b", {2});
  const SplitModel split = SplitOf(builder);
  ASSERT_EQ(split.topology.graph().inputs_size(), 1);
  EXPECT_EQ(split.report.sealed_weights, 2U);
}

TEST(Decompose, DropsWhatNoOutputNeeds) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2});
  builder.Floats("dead", {2}, {1, 2});
  builder.Node("Mul", {"x", "dead"}, {"d1"});
  builder.Node("NoSuchOperator", {"d1"}, {"d2"});
  builder.Node("Relu", {"x"}, {"y"});
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.topology.graph().nodes_size(), 1);
  EXPECT_EQ(split.topology.weights_size(), 0);
}

TEST(Decompose, PreparesTheGraphUnlessToldNotTo) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2});
  builder.Node("Identity", {"x"}, {"a"});
  builder.Node("Relu", {"a"}, {"y"});
  const Bytes model = builder.Serialize();
  EXPECT_EQ(Split(model).value().topology.graph().nodes_size(), 1);
  EXPECT_EQ(Split(model, {.preparation = false}).value().topology.graph().nodes_size(), 2);
}

TEST(Decompose, PutsNodesInAnOrderOfExecution) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2});
  builder.Node("Relu", {"b"}, {"y"});
  builder.Node("Sqrt", {"a"}, {"b"});
  builder.Node("Abs", {"x"}, {"a"});
  const SplitModel split = SplitOf(builder);
  EXPECT_EQ(split.topology.graph().nodes(0).operator_(), "Abs");
  EXPECT_EQ(split.topology.graph().nodes(1).operator_(), "Sqrt");
  EXPECT_EQ(split.topology.graph().nodes(2).operator_(), "Relu");
}

TEST(Decompose, NeverMakesTheSameBlobTwice) {
  ModelBuilder builder;
  AddLinear(builder, 3, 5);
  const SplitModel first = SplitOf(builder);
  const SplitModel second = SplitOf(builder);
  EXPECT_NE(first.report.blob_id, second.report.blob_id);
  EXPECT_NE(first.topology.blob().secret(), second.topology.blob().secret());
  EXPECT_NE(first.blob, second.blob);
  EXPECT_EQ(first.Plaintext(), second.Plaintext());
}

TEST(Decompose, ShowsNothingButABucketOfItsSize) {
  const auto blob_bytes = [](int64_t n) {
    ModelBuilder builder;
    AddLinear(builder, 64, n);
    const SplitModel split = SplitOf(builder);
    EXPECT_EQ(split.blob.size(), split.report.blob_bytes);
    return split.blob.size();
  };
  constexpr size_t kSmallest = 64 * (16 * 1024 + 16);
  EXPECT_EQ(blob_bytes(1), kSmallest);
  EXPECT_EQ(blob_bytes(3000), kSmallest);
  EXPECT_EQ(blob_bytes(4100), 72U * (16 * 1024 + 16));
}

TEST(Decompose, StopsWhenTheSinkFails) {
  ModelBuilder builder;
  AddLinear(builder, 3, 5);
  const auto sink = [](ByteSpan) -> Done { return Error{Code::kIo, "disk_full", ""}; };
  EXPECT_EQ(DecomposeBytes(builder.Serialize(), sink).error().reason, "disk_full");
}

}  // namespace
}  // namespace ephemeralml::decompose
