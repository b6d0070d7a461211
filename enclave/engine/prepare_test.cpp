#include "enclave/engine/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/topology_format.h"
#include "enclave/engine/testing/topology_builder.h"

namespace ephemeralml::engine {
namespace {

using testing::AddNode;
using testing::AddSubgraph;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeValue;
using testing::TopologyBuilder;

// x [2] → Relu → Relu → y.
TopologyBuilder TwoNodes() {
  TopologyBuilder builder;
  builder.Input(1, "x", {2}).Output(3, "y");
  AddNode(builder.graph(), "Relu", {1}, {2});
  AddNode(builder.graph(), "Relu", {2}, {3});
  return builder;
}

void ExpectRefused(const wire::Topology& topology, std::string_view reason = "topology_malformed") {
  const auto prepared = Prepare(topology);
  ASSERT_FALSE(prepared.has_value());
  EXPECT_EQ(prepared.error().reason, reason) << prepared.error().what;
}

TEST(Prepare, ReleasesEachActivationAfterItsLastUse) {
  TopologyBuilder builder;
  builder.Input(1, "x", {2}).Output(4, "y");
  AddNode(builder.graph(), "Relu", {1}, {2});
  AddNode(builder.graph(), "Relu", {2}, {3});
  AddNode(builder.graph(), "Add", {2, 3}, {4});
  const auto model = Prepare(builder.topology());
  ASSERT_TRUE(model.has_value()) << model.error().what;
  const auto& nodes = model->graph.nodes;
  EXPECT_THAT(nodes[0].releases, ElementsAre(nodes[0].inputs[0]));
  EXPECT_THAT(nodes[1].releases, IsEmpty());
  EXPECT_THAT(nodes[2].releases, ElementsAre(nodes[0].outputs[0], nodes[1].outputs[0]));
}

TEST(Prepare, KeepsWhatABranchUsesUntilTheBranchIsDone) {
  TopologyBuilder builder;
  builder.Input(1, "x", {2}).Input(2, "c", {}, ElementType::kBool).Output(10, "y");
  AddNode(builder.graph(), "Relu", {1}, {3});
  wire::Node* choice = AddNode(builder.graph(), "If", {2}, {10});
  wire::Graph* then_branch = AddSubgraph(*choice, "then_branch");
  AddNode(*then_branch, "Relu", {3}, {4});
  then_branch->add_outputs()->set_id(4);
  AddSubgraph(*choice, "else_branch")->add_outputs()->set_id(3);
  const auto model = Prepare(builder.topology());
  ASSERT_TRUE(model.has_value()) << model.error().what;
  const auto& nodes = model->graph.nodes;
  EXPECT_THAT(nodes[0].releases, ElementsAre(nodes[0].inputs[0]));
  EXPECT_THAT(nodes[1].releases, ElementsAre(nodes[1].inputs[0], nodes[0].outputs[0]));
}

TEST(Prepare, KnowsWhichOutputsNobodyReads) {
  TopologyBuilder builder = TwoNodes();
  AddNode(builder.graph(), "Relu", {1}, {4});
  const auto model = Prepare(builder.topology());
  ASSERT_TRUE(model.has_value());
  EXPECT_TRUE(model->graph.nodes[0].wants_output[0]);
  EXPECT_TRUE(model->graph.nodes[1].wants_output[0]);
  EXPECT_FALSE(model->graph.nodes[2].wants_output[0]);
}

TEST(Prepare, KnowsWhichPackedWeightComesNext) {
  TopologyBuilder builder;
  builder.Input(1, "x", {2, 2}).Output(7, "y");
  builder.Weight(2, {2, 16}, std::vector<float>(32), wire::MATRIX_PANELS);
  builder.Weight(3, {16, 16}, std::vector<float>(256), wire::MATRIX_PANELS);
  builder.Weight(8, {2, 16}, std::vector<float>(32));
  builder.Weight(9, {16, 16}, std::vector<float>(256), wire::MATRIX_PANELS);
  AddNode(builder.graph(), "Relu", {1}, {4});
  AddNode(builder.graph(), "MatMul", {4, 2}, {5})->set_domain("ephemeralml");
  AddNode(builder.graph(), "Add", {5, 8}, {6});
  AddNode(builder.graph(), "MatMuls", {6, 3, 9}, {7, 10})->set_domain("ephemeralml");
  wire::OperatorSet& own = *builder.topology().add_operator_sets();
  own.set_domain("ephemeralml");
  own.set_version(1);
  builder.Seal();
  const auto model = Prepare(builder.topology());
  ASSERT_TRUE(model.has_value()) << model.error().what;
  const auto& nodes = model->graph.nodes;
  EXPECT_EQ(nodes[0].next_packed, nodes[1].inputs[1]);
  EXPECT_EQ(nodes[1].next_packed, nodes[3].inputs[1]);
  EXPECT_EQ(nodes[2].next_packed, nodes[3].inputs[1]);
  EXPECT_EQ(nodes[3].next_packed, kNoSlot);
}

TEST(Prepare, RefusesOtherFormatVersions) {
  TopologyBuilder builder = TwoNodes();
  builder.topology().set_format_version(wire::kTopologyFormatVersion + 1);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesAnEmptyMessage) { ExpectRefused(wire::Topology()); }

TEST(Prepare, RefusesUseBeforeDefinition) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_nodes()->SwapElements(0, 1);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesCycles) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_nodes(0)->set_inputs(0, 3);
  ExpectRefused(builder.topology());
  builder.graph().mutable_nodes(0)->set_inputs(0, 2);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesDanglingIds) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_nodes(1)->set_inputs(0, UINT32_MAX);
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.graph().mutable_outputs(0)->set_id(77);
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.graph().mutable_outputs(0)->set_id(0);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesValuesDefinedTwice) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_nodes(1)->set_outputs(0, 2);
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.Input(3, "z", {1});
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.Constant(1, {1}, {1});
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.graph().mutable_inputs(0)->set_id(0);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesNamesGivenTwice) {
  TopologyBuilder builder = TwoNodes();
  builder.Input(9, "x", {1});
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.Output(2, "y");
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesUsesOfABranchsValuesOutsideIt) {
  TopologyBuilder builder;
  builder.Input(1, "x", {2}).Input(2, "c", {}, ElementType::kBool).Output(10, "y");
  wire::Node* choice = AddNode(builder.graph(), "If", {2}, {9});
  for (const auto& [branch, id] : {std::pair("then_branch", 4u), std::pair("else_branch", 5u)}) {
    wire::Graph* graph = AddSubgraph(*choice, branch);
    AddNode(*graph, "Relu", {1}, {id});
    graph->add_outputs()->set_id(id);
  }
  wire::Node* last = AddNode(builder.graph(), "Relu", {9}, {10});
  ASSERT_TRUE(Prepare(builder.topology()).has_value());
  last->set_inputs(0, 4);
  ExpectRefused(builder.topology());
  // Nor in the other branch.
  last->set_inputs(0, 9);
  choice->mutable_attributes(1)->mutable_graph()->mutable_nodes(0)->set_inputs(0, 4);
  ExpectRefused(builder.topology());
}

wire::Topology Nested(size_t depth) {
  TopologyBuilder builder;
  builder.Input(1, "c", {}, ElementType::kBool).Output(2, "y");
  wire::Graph* graph = &builder.graph();
  for (uint32_t i = 0; i < depth; ++i) {
    wire::Node* choice = AddNode(*graph, "If", {1}, {i + 2});
    if (i > 0) graph->add_outputs()->set_id(i + 2);
    AddSubgraph(*choice, "else_branch")->add_outputs()->set_id(1);
    graph = AddSubgraph(*choice, "then_branch");
  }
  graph->add_outputs()->set_id(1);
  return builder.topology();
}

TEST(Prepare, LimitsHowDeepSubgraphsNest) {
  EXPECT_TRUE(Prepare(Nested(kDeepestNesting - 1)).has_value());
  ExpectRefused(Nested(kDeepestNesting));
}

TEST(Prepare, LimitsTheNumberOfNodes) {
  TopologyBuilder builder;
  builder.Input(1, "x", {2}).Output(1, "y");
  for (uint32_t i = 0; i <= kMostNodes; ++i) AddNode(builder.graph(), "Relu", {1}, {i + 2});
  ExpectRefused(builder.topology());
}

TEST(Prepare, LimitsTheNodesOfAllGraphsTogether) {
  constexpr uint32_t kHalf = kMostNodes / 2;
  TopologyBuilder builder;
  builder.Input(1, "c", {}, ElementType::kBool).Output(1, "y");
  wire::Node* choice = AddNode(builder.graph(), "If", {1}, {2});
  AddSubgraph(*choice, "else_branch")->add_outputs()->set_id(1);
  wire::Graph* graph = AddSubgraph(*choice, "then_branch");
  graph->add_outputs()->set_id(1);
  for (uint32_t i = 0; i < kHalf; ++i) {
    AddNode(builder.graph(), "Not", {1}, {2 * i + 3});
    AddNode(*graph, "Not", {1}, {2 * i + 4});
  }
  ExpectRefused(builder.topology());
  graph->mutable_nodes()->RemoveLast();
  EXPECT_TRUE(Prepare(builder.topology()).has_value());
}

TEST(Prepare, RefusesOperatorsThatItHasNot) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_nodes(1)->set_operator_("Gradient");
  const auto prepared = Prepare(builder.topology());
  ASSERT_FALSE(prepared.has_value());
  EXPECT_EQ(prepared.error().reason, "operator_unsupported");
  EXPECT_THAT(prepared.error().what, HasSubstr("node 1 (Gradient)"));
}

TEST(Prepare, RefusesDomainsThatAreNotImportedOrImportedTwice) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_nodes(1)->set_domain("com.example");
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  builder.topology().add_operator_sets()->set_domain("ai.onnx");
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesAttributesTwiceWithoutValueOrWithWrongConstants) {
  TopologyBuilder builder = TwoNodes();
  wire::Attribute* attribute = builder.graph().mutable_nodes(0)->add_attributes();
  attribute->set_name("a");
  ExpectRefused(builder.topology());
  attribute->set_i(1);
  ASSERT_TRUE(Prepare(builder.topology()).has_value());
  *builder.graph().mutable_nodes(0)->add_attributes() = *attribute;
  ExpectRefused(builder.topology());
  builder.graph().mutable_nodes(0)->mutable_attributes()->RemoveLast();
  wire::InlineTensor* tensor = attribute->mutable_tensor();
  tensor->set_type(wire::FLOAT);
  tensor->add_dims(2);
  tensor->set_data(std::string(8, 'x'));
  ASSERT_TRUE(Prepare(builder.topology()).has_value());
  tensor->set_data(std::string(7, 'x'));
  ExpectRefused(builder.topology());
  tensor->set_dims(0, -2);
  ExpectRefused(builder.topology());
  tensor->set_type(wire::STRING);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesImpossibleShapesOfInputs) {
  TopologyBuilder builder = TwoNodes();
  builder.graph().mutable_inputs(0)->mutable_shape(0)->set_size(-2);
  ExpectRefused(builder.topology());
  builder = TwoNodes();
  for (int i = 0; i < 40; ++i) builder.graph().mutable_inputs(0)->add_shape()->set_size(1);
  ExpectRefused(builder.topology());
}

TEST(Prepare, RefusesImpossibleShapesOfEmptyConstants) {
  TopologyBuilder builder = TwoNodes();
  builder.Constant(21, {0, int64_t{1} << 30}, {});
  EXPECT_TRUE(Prepare(builder.topology()).has_value());
  builder.Constant(22, {0, (int64_t{1} << 30) + 1}, {});
  ExpectRefused(builder.topology(), "size_overflow");
}

TEST(Prepare, SurvivesEveryAlteredByteOfATopology) {
  TopologyBuilder builder;
  builder.Input(1, "x", {2}).Input(2, "c", {}, ElementType::kBool).Output(10, "y");
  builder.Weight(20, {2, 2}, {1, 2, 3, 4}).Constant(21, {1}, {2});
  AddNode(builder.graph(), "MatMul", {1, 20}, {3});
  wire::Node* choice = AddNode(builder.graph(), "If", {2}, {10});
  wire::Graph* then_branch = AddSubgraph(*choice, "then_branch");
  AddNode(*then_branch, "Mul", {3, 21}, {4});
  then_branch->add_outputs()->set_id(4);
  AddSubgraph(*choice, "else_branch")->add_outputs()->set_id(3);
  builder.Seal();
  const std::string bytes = builder.topology().SerializeAsString();
  ASSERT_TRUE(Prepare(builder.topology()).has_value());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int bit : {0, 1, 3, 6, 7}) {
      std::string altered = bytes;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      wire::Topology topology;
      if (topology.ParseFromString(altered)) (void)Prepare(topology).has_value();
    }
  }
}

}  // namespace
}  // namespace ephemeralml::engine
