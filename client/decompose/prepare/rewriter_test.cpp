#include "client/decompose/prepare/rewriter.h"

#include <gtest/gtest.h>

namespace ephemeralml::decompose {
namespace {

ProgramNode Node(std::string_view op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  return {.source = nullptr,
          .op = op,
          .domain = "",
          .inputs = std::move(inputs),
          .outputs = std::move(outputs),
          .subgraphs = {},
          .attributes = {}};
}

// 1 -> Abs -> 2 -> Exp -> 3 -> Add(3, 2) -> 4, an output.
Program Chain() {
  Program program;
  program.main.inputs = {{.id = 1, .source = nullptr}};
  program.main.nodes = {Node("Abs", {1}, {2}), Node("Exp", {2}, {3}), Node("Add", {3, 2}, {4})};
  program.main.outputs = {{.id = 4, .source = nullptr}};
  program.next_id = 5;
  return program;
}

TEST(Rewriter, CountsUsesByNodesAndOutputs) {
  Program program = Chain();
  const Rewriter rewriter(program, program.main);
  EXPECT_EQ(rewriter.UseCount(2), 2U);
  EXPECT_EQ(rewriter.UseCount(4), 1U);
  EXPECT_EQ(rewriter.OnlyUser(2), nullptr);
  EXPECT_EQ(rewriter.OnlyUser(3), &program.main.nodes[2]);
  EXPECT_EQ(rewriter.OnlyUser(4), nullptr);
  EXPECT_EQ(rewriter.Users(2).size(), 2U);
  EXPECT_EQ(rewriter.Producer(3, "Exp"), &program.main.nodes[1]);
  EXPECT_EQ(rewriter.Producer(3, "Abs"), nullptr);
  EXPECT_EQ(rewriter.Producer(1), nullptr);
}

TEST(Rewriter, DropsWhatAReplacementNoLongerNeeds) {
  Program program = Chain();
  Rewriter rewriter(program, program.main);
  rewriter.Replace(&program.main.nodes[2], Node("Relu", {1}, {4}));
  rewriter.Finish();
  ASSERT_EQ(program.main.nodes.size(), 1U);
  EXPECT_EQ(program.main.nodes[0].op, "Relu");
}

TEST(Rewriter, KeepsWhatSubgraphsUse) {
  Program program = Chain();
  ProgramNode branch = Node("If", {1}, {5});
  branch.subgraphs.emplace_back().nodes = {Node("Abs", {3}, {6})};
  program.main.nodes.push_back(std::move(branch));
  program.main.outputs.push_back({.id = 5, .source = nullptr});
  Rewriter rewriter(program, program.main);
  EXPECT_EQ(rewriter.OnlyUser(3), nullptr);
  EXPECT_TRUE(rewriter.Users(3).empty());
  rewriter.Replace(&program.main.nodes[2], Node("Relu", {1}, {4}));
  rewriter.Finish();
  EXPECT_EQ(program.main.nodes.size(), 4U);
}

TEST(Rewriter, CountsAUseInASubgraphAsNobodysAlone) {
  Program program = Chain();
  program.main.nodes[2].inputs = {2, 2};
  program.main.nodes[2].subgraphs.emplace_back().nodes = {Node("Abs", {3}, {6})};
  const Rewriter rewriter(program, program.main);
  EXPECT_EQ(rewriter.UseCount(3), 1U);
  EXPECT_EQ(rewriter.OnlyUser(3), nullptr);
}

TEST(Rewriter, RedirectsUsesButNoOutput) {
  Program program = Chain();
  Rewriter rewriter(program, program.main);
  rewriter.Redirect(3, 1);
  rewriter.Drop(&program.main.nodes[1]);
  rewriter.Finish();
  ASSERT_EQ(program.main.nodes.size(), 2U);
  EXPECT_EQ(program.main.nodes[1].inputs, (std::vector<ValueId>{1, 2}));
  EXPECT_DEATH(rewriter.Redirect(4, 1), "");
}

TEST(Rewriter, RenamesWhatANodeMakes) {
  Program program = Chain();
  Rewriter rewriter(program, program.main);
  EXPECT_TRUE(rewriter.Rename(2, 9));
  EXPECT_EQ(program.main.nodes[0].outputs, std::vector<ValueId>{9});
  EXPECT_EQ(program.main.nodes[2].inputs, (std::vector<ValueId>{3, 9}));
  EXPECT_EQ(rewriter.UseCount(9), 2U);
  EXPECT_FALSE(rewriter.Rename(1, 10)) << "an input of the model";
  EXPECT_FALSE(rewriter.Rename(4, 10)) << "an output of the model";
}

}  // namespace
}  // namespace ephemeralml::decompose
