#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;

TEST(DropIdentities, TakesThemOutOfTheMiddleAndTheEnd) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2});
  builder.Node("Identity", {"x"}, {"a"});
  builder.Node("Abs", {"a"}, {"b"});
  builder.Node("Dropout", {"b"}, {"c"});
  builder.Node("Exp", {"c"}, {"d"});
  builder.Node("Identity", {"d"}, {"y"});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre("Abs", "Exp"));
  EXPECT_THAT(model.InputsOf("Abs"), ElementsAre("x"));
  EXPECT_EQ(model.NodeOf("Exp").outputs[0], model.program().main.outputs[0].id);
}

TEST(DropIdentities, TakesProductsAndQuotientsByOne) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2}).Floats("one", {}, {1});
  builder.Floats("row", {1, 1}, {1});
  builder.Node("Mul", {"one", "x"}, {"a"});
  builder.Node("Div", {"a", "one"}, {"b"});
  builder.Node("Div", {"one", "b"}, {"c"});
  builder.Node("Mul", {"c", "row"}, {"y"});  // which has one axis more
  EXPECT_THAT(PreparedModel(builder).Operators(), ElementsAre("Div", "Mul"));
}

// A model that no engine runs is left for the engine to refuse.
TEST(DropIdentities, LeavesAGraphWithoutItsOperands) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("y", {2}).Floats("w", {2, 2}, Counting(4));
  builder.Node("Identity", {"x"}, {"a"});
  builder.Node("Mul", {"a"}, {"b"});
  builder.Node("Erf", {}, {"c"});
  builder.Node("MatMul", {"", "w"}, {"d"});
  builder.Node("Sum", {"b", "c", "d"}, {"y"});
  EXPECT_EQ(PreparedModel(builder).Operators().size(), 5U);
}

TEST(DropIdentities, KeepsWhatGivesAnOutputItsName) {
  ModelBuilder builder;
  builder.Input("x", {2}).Output("x", {2}).Output("a", {2}).Output("b", {2}).Output("w", {2});
  builder.Floats("w", {2}, {1, 2});
  builder.Node("Abs", {"x"}, {"a"});
  builder.Node("Identity", {"a"}, {"b"});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre("Abs", "Identity", "Identity", "Identity"));
}

TEST(DropIdentities, RedirectsWhatSubgraphsUse) {
  ModelBuilder builder;
  builder.Input("x", {2}).Input("c", {}, ::onnx::TensorProto::BOOL).Output("y", {2});
  builder.Node("Identity", {"x"}, {"a"});
  auto* branch = builder.Node("If", {"c"}, {"y"});
  AddGraph(branch, "then_branch").Output("r", {2}).Node("Abs", {"a"}, {"r"});
  AddGraph(branch, "else_branch").Output("s", {2}).Node("Exp", {"a"}, {"s"});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre("If"));
  const auto& subgraphs = model.NodeOf("If").subgraphs;
  EXPECT_EQ(subgraphs[0].nodes[0].inputs[0], model.program().main.inputs[0].id);
  EXPECT_EQ(subgraphs[1].nodes[0].inputs[0], model.program().main.inputs[0].id);
}

TEST(DropIdentities, KeepsADropoutThatTrainsOrTellsItsMask) {
  const auto operators = [](bool trains, bool tells) {
    ModelBuilder builder;
    builder.Input("x", {2}).Output("y", {2}).Floats("ratio", {}, {0.5F});
    builder.Node("Abs", {"x"}, {"a"});
    auto* training = builder.Ints("training", {}, {});
    training->set_data_type(::onnx::TensorProto::BOOL);
    training->set_raw_data(std::string(1, trains ? '\1' : '\0'));
    builder.Node("Dropout", {"a", "ratio", "training"}, {"b", "mask"});
    if (tells) builder.Output("mask", {2}, ::onnx::TensorProto::BOOL);
    builder.Node("Exp", {"b"}, {"y"});
    return PreparedModel(builder).Operators();
  };
  EXPECT_THAT(operators(false, false), ElementsAre("Abs", "Exp"));
  EXPECT_THAT(operators(true, false), ElementsAre("Abs", "Dropout", "Exp"));
  EXPECT_THAT(operators(false, true), ElementsAre("Abs", "Dropout", "Exp"));
}

}  // namespace
}  // namespace ephemeralml::decompose
