#include "client/decompose/program/resolve.h"

#include <gtest/gtest.h>

#include "client/decompose/onnx/read_model.h"
#include "client/decompose/program/order.h"
#include "client/decompose/testing/models.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;

std::string Outcome(const ModelBuilder& builder) {
  const Bytes bytes = builder.Serialize();
  const auto model = onnx::ReadModel(bytes).value();
  auto program = Resolve(model);
  if (!program) return std::string(program.error().reason);
  const auto ordered = OrderNodes(program->main);
  return ordered ? "resolved" : std::string(ordered.error().reason);
}

class ResolveTest : public ::testing::Test {
 protected:
  ResolveTest() { builder_.Input("x", {2}).Output("y", {2}); }
  // An If whose first branch is left to the test.
  GraphBuilder AddBranches() {
    builder_.Input("c", {}, ::onnx::TensorProto::BOOL);
    auto* node = builder_.Node("If", {"c"}, {"y"});
    AddGraph(node, "else_branch").Output("e", {2}).Node("Relu", {"x"}, {"e"});
    return AddGraph(node, "then_branch");
  }

  ModelBuilder builder_;
};

TEST_F(ResolveTest, RefusesValuesThatNothingMakes) {
  builder_.Node("Add", {"x", "ghost"}, {"y"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, RefusesOutputsThatNothingMakesAndModelsWithoutAny) {
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
  builder_.get()->clear_output();
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, RefusesValuesMadeTwice) {
  builder_.Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Outcome(builder_), "resolved");
  builder_.Node("Abs", {"x"}, {"y"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, RefusesANodeThatMakesAnInputOrAWeight) {
  builder_.Node("Relu", {"x"}, {"x"});
  builder_.Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
  ModelBuilder other;
  other.Input("x", {2}).Output("w", {2});
  other.Floats("w", {2}, {1, 2});
  other.Node("Relu", {"x"}, {"w"});
  EXPECT_EQ(Outcome(other), "graph_invalid");
}

TEST_F(ResolveTest, RefusesInitializersInputsAndOutputsNamedTwiceOrNotAtAll) {
  builder_.Node("Relu", {"x"}, {"y"});
  ModelBuilder twice;
  twice.Input("x", {2}).Input("x", {2}).Output("y", {2}).Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Outcome(twice), "graph_invalid");
  ModelBuilder outputs;
  outputs.Input("x", {2}).Output("y", {2}).Output("y", {2}).Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Outcome(outputs), "graph_invalid");
  builder_.Floats("w", {1}, {1});
  builder_.Floats("w", {1}, {1});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
  builder_.get()->clear_initializer();
  builder_.Floats("", {1}, {1});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, RefusesCycles) {
  builder_.Node("Add", {"x", "b"}, {"a"});
  builder_.Node("Relu", {"a"}, {"b"});
  builder_.Node("Relu", {"a"}, {"y"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, RefusesANodeThatReadsItself) {
  builder_.Node("Add", {"x", "y"}, {"y"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, RefusesASubgraphThatReadsItsOwnNodesOutput) {
  AddBranches().Output("t", {2}).Node("Relu", {"y"}, {"t"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, OrdersANodeAfterWhatItsSubgraphsCapture) {
  AddBranches().Output("t", {2}).Node("Relu", {"later"}, {"t"});
  builder_.Node("Abs", {"x"}, {"later"});
  const Bytes bytes = builder_.Serialize();
  const auto model = onnx::ReadModel(bytes).value();
  Program program = Resolve(model).value();
  ASSERT_TRUE(OrderNodes(program.main));
  EXPECT_EQ(program.main.nodes.at(0).op, "Abs");
}

TEST_F(ResolveTest, LetsNoGraphSeeIntoASubgraph) {
  AddBranches().Output("t", {2}).Node("Relu", {"x"}, {"t"});
  builder_.Node("Abs", {"t"}, {"z"});
  builder_.Output("z", {2});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

// Both branches of an If may use a name; the graph around them must not have it.
TEST_F(ResolveTest, RefusesNamesThatHideOuterOnes) {
  GraphBuilder then_branch = AddBranches();
  then_branch.Output("e", {2}).Node("Relu", {"x"}, {"e"});
  EXPECT_EQ(Outcome(builder_), "resolved");
  then_branch.Node("Relu", {"e"}, {"c"});
  EXPECT_EQ(Outcome(builder_), "graph_invalid");
}

TEST_F(ResolveTest, ReadsLeftOutInputsAndOutputsAsZero) {
  builder_.Node("Clip", {"x", "", "x"}, {"y", ""});
  const Bytes bytes = builder_.Serialize();
  const auto model = onnx::ReadModel(bytes).value();
  const Program program = Resolve(model).value();
  const ProgramNode& node = program.main.nodes.at(0);
  EXPECT_EQ(node.inputs[1], 0U);
  EXPECT_EQ(node.outputs[1], 0U);
  EXPECT_EQ(node.inputs[0], node.inputs[2]);
}

}  // namespace
}  // namespace ephemeralml::decompose
