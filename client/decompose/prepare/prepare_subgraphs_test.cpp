// What the passes find in subgraphs, and the constants that several graphs share.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr const char* kTo = "our ToBlocked";
constexpr const char* kFrom = "our FromBlocked";

// An If whose branches a test fills; both make "y" of x.
class Branches : public ::testing::Test {
 protected:
  Branches() {
    builder_.Input("x", {-1, 4}).Input("condition", {}, ::onnx::TensorProto::BOOL);
    builder_.Output("y", {-1, -1});
    builder_.Floats("w", {4, 4}, Counting(16));
    builder_.Floats("bias", {4}, Counting(4));
    builder_.Floats("other_bias", {4}, Counting(4, 7));
  }
  GraphBuilder& then_branch() { return then_; }
  GraphBuilder& else_branch() { return else_; }

  static void AddProduct(GraphBuilder& graph, const std::string& bias, const char* result) {
    graph.Node("MatMul", {"x", "w"}, {std::string("product of ") + result});
    graph.Node("Add", {std::string("product of ") + result, bias}, {result});
  }
  PreparedModel Prepared() {
    ::onnx::NodeProto* node = builder_.Node("If", {"condition"}, {"y"});
    for (auto* branch : {&then_, &else_}) {
      const bool is_then = branch == &then_;
      GraphBuilder attribute = AddGraph(node, is_then ? "then_branch" : "else_branch");
      branch->Output(is_then ? "then y" : "else y", {-1, -1});
      attribute.get()->CopyFrom(*branch->get());
    }
    return PreparedModel(builder_);
  }
  static const ProgramGraph& Branch(const PreparedModel& model, size_t index) {
    return model.NodeOf("If").subgraphs.at(index);
  }

  ModelBuilder builder_{13};
  ::onnx::GraphProto then_graph_;
  ::onnx::GraphProto else_graph_;
  GraphBuilder then_{&then_graph_};
  GraphBuilder else_{&else_graph_};
};

TEST_F(Branches, ShareAWeightThatBothTakeAlike) {
  AddProduct(then_branch(), "bias", "then sum");
  then_branch().Node("Relu", {"then sum"}, {"then y"});
  AddProduct(else_branch(), "bias", "else y");
  const PreparedModel model = Prepared();
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 0)), ElementsAre("our MatMul"));
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 1)), ElementsAre("our MatMul"));
  EXPECT_EQ(Branch(model, 0).nodes[0].inputs, Branch(model, 1).nodes[0].inputs);
  EXPECT_EQ(StringAttribute(Branch(model, 0).nodes[0], "activation"), "Relu");
}

TEST_F(Branches, HaveWeightsOfTheirOwnThatTheyTakeDifferently) {
  AddProduct(then_branch(), "bias", "then y");
  AddProduct(else_branch(), "other_bias", "else y");
  const PreparedModel model = Prepared();
  const ValueId first = Branch(model, 0).nodes.at(0).inputs[1];
  const ValueId second = Branch(model, 1).nodes.at(0).inputs[1];
  EXPECT_NE(first, second);
  EXPECT_EQ(model.program().constants.at(first).tensor,
            model.program().constants.at(second).tensor);
  EXPECT_NE(model.program().packings.at(first).bias, model.program().packings.at(second).bias);
}

TEST_F(Branches, LeaveAWeightThatTheGraphAroundThemTakesAsItIs) {
  builder_.Node("Softmax", {"w"}, {"shares"});
  builder_.Node("MatMul", {"x", "shares"}, {"z"});
  builder_.Output("z", {-1, 4});
  AddProduct(then_branch(), "bias", "then y");
  else_branch().Node("Relu", {"x"}, {"else y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("Softmax", "MatMul", "If"));
  const ValueId as_it_is = model.NodeOf("Softmax").inputs[0];
  const ValueId packed = Branch(model, 0).nodes.at(0).inputs[1];
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 0)), ElementsAre("our MatMul"));
  EXPECT_NE(as_it_is, packed);
  EXPECT_FALSE(model.program().packings.contains(as_it_is));
  EXPECT_TRUE(model.program().packings.contains(packed));
}

// A residual is one if its shape is the product's.
TEST_F(Branches, KnowShapesOfWhatTheyMake) {
  AddProduct(then_branch(), "bias", "then sum");
  then_branch().Node("Add", {"then sum", "x"}, {"then y"});
  else_branch().Node("Relu", {"x"}, {"else y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 0)), ElementsAre("our MatMul"));
}

TEST_F(Branches, KnowTheNumbersThatTheyShare) {
  builder_.Floats("half", {}, {0.5F});
  builder_.Floats("one", {}, {1});
  builder_.Floats("root", {}, {1.41421356F});
  for (const std::string name : {"then", "else"}) {
    GraphBuilder& graph = name == "then" ? then_branch() : else_branch();
    graph.Node("Div", {"x", "root"}, {name + " q"});
    graph.Node("Erf", {name + " q"}, {name + " e"});
    graph.Node("Add", {name + " e", "one"}, {name + " s"});
    graph.Node("Mul", {"x", name + " s"}, {name + " p"});
    graph.Node("Mul", {name + " p", "half"}, {name + " y"});
  }
  const PreparedModel model = Prepared();
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 0)), ElementsAre("our Gelu"));
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 1)), ElementsAre("our Gelu"));
}

TEST_F(Branches, PassOnWhatTheGraphAroundThemMakes) {
  builder_.Node("Abs", {"x"}, {"a"});
  builder_.Node("Identity", {"a"}, {"b"});
  then_branch().Node("Identity", {"b"}, {"then y"});
  else_branch().Node("Relu", {"b"}, {"c"});
  else_branch().Node("Identity", {"c"}, {"else y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("Abs", "If"));
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 0)), ElementsAre("Identity"));
  EXPECT_EQ(Branch(model, 0).nodes[0].inputs, model.NodeOf("Abs").outputs);
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 1)), ElementsAre("Relu"));
  EXPECT_EQ(Branch(model, 1).nodes[0].outputs[0], Branch(model, 1).outputs[0].id);
}

TEST_F(Branches, DropWhatAConstantTookThePlaceOf) {
  builder_.Node("Shape", {"w"}, {"s"});
  then_branch().Node("Reshape", {"x", "s"}, {"then y"});
  else_branch().Node("Relu", {"x"}, {"else y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("If"));
  EXPECT_TRUE(model.program().constants.contains(Branch(model, 0).nodes.at(0).inputs[1]));
}

// Values are planar where graphs meet.
TEST(PrepareSubgraphs, GivesConvolutionsBlocksOfTheirOwn) {
  ModelBuilder builder(13);
  builder.Input("x", {1, 16, 4, 4}).Input("condition", {}, ::onnx::TensorProto::BOOL);
  builder.Output("y", {1, 16, 4, 4});
  builder.Floats("w", {16, 16, 1, 1}, Counting(256));
  builder.Node("Conv", {"x", "w"}, {"outer"});
  ::onnx::NodeProto* node = builder.Node("If", {"condition"}, {"y"});
  GraphBuilder then_branch = AddGraph(node, "then_branch");
  then_branch.Node("Conv", {"outer", "w"}, {"c"});
  then_branch.Node("Relu", {"c"}, {"d"});
  then_branch.Node("Conv", {"d", "w"}, {"then y"});
  then_branch.Output("then y", {1, 16, 4, 4});
  GraphBuilder else_branch = AddGraph(node, "else_branch");
  else_branch.Node("Relu", {"outer"}, {"else y"});
  else_branch.Output("else y", {1, 16, 4, 4});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre(kTo, "our Conv", kFrom, "If"));
  const auto& branches = model.NodeOf("If").subgraphs;
  EXPECT_THAT(PreparedModel::OperatorsOf(branches[0]),
              ElementsAre(kTo, "our Conv", "our Conv", kFrom));
  EXPECT_THAT(PreparedModel::OperatorsOf(branches[1]), ElementsAre("Relu"));
  EXPECT_EQ(branches[0].nodes[1].inputs[1], model.NodeOf("Conv").inputs[1]);
}

// As heads of a detector do, with a normalization that becomes part of the weight.
TEST(PrepareSubgraphs, PacksAConvolutionThatServesSeveralPicturesOnce) {
  ModelBuilder builder(13);
  builder.Floats("w", {16, 16, 1, 1}, Counting(256));
  builder.Floats("scale", {16}, Counting(16));
  builder.Floats("shift", {16}, Counting(16, 2));
  builder.Floats("mean", {16}, Counting(16, 3));
  builder.Floats("variance", {16}, Counting(16, 4));
  for (const std::string of : {"a", "b"}) {
    builder.Input("x" + of, {1, 16, 4, 4}).Output("y" + of, {1, 16, 4, 4});
    builder.Node("Conv", {"x" + of, "w"}, {"c" + of});
    builder.Node("BatchNormalization", {"c" + of, "scale", "shift", "mean", "variance"},
                 {"y" + of});
  }
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre(kTo, "our Conv", kTo, "our Conv", kFrom, kFrom));
  const auto& nodes = model.program().main.nodes;
  EXPECT_EQ(nodes[1].inputs[1], nodes[3].inputs[1]);
}

TEST_F(Branches, MayHoldOperatorsWithoutOperands) {
  AddProduct(then_branch(), "bias", "then y");
  else_branch().Node("SequenceEmpty", {}, {"nothing"});
  else_branch().Node("SequenceInsert", {"nothing", "x"}, {"one"});
  else_branch().Ints("first", {}, {0});
  else_branch().Node("SequenceAt", {"one", "first"}, {"else y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 0)), ElementsAre("our MatMul"));
  EXPECT_THAT(PreparedModel::OperatorsOf(Branch(model, 1)),
              ElementsAre("SequenceEmpty", "SequenceInsert", "SequenceAt"));
}

TEST(PrepareSubgraphs, FusesTheBodyOfALoop) {
  ModelBuilder builder(13);
  builder.Input("x", {-1, 16, 4, 4}).Input("rounds", {}, kInt64);
  builder.Output("y", {-1, -1, -1, -1});
  builder.Floats("w", {16, 16, 1, 1}, Counting(256));
  ::onnx::NodeProto* loop = builder.Node("Loop", {"rounds", "", "x"}, {"y"});
  GraphBuilder body = AddGraph(loop, "body");
  body.Input("i", {}, kInt64)
      .Input("go", {}, ::onnx::TensorProto::BOOL)
      .Input("state", {-1, 16, 4, 4});
  body.Node("Identity", {"go"}, {"go on"});
  body.Node("Conv", {"state", "w"}, {"c"});
  body.Node("Relu", {"c"}, {"next"});
  body.Output("go on", {}, ::onnx::TensorProto::BOOL).Output("next", {-1, 16, 4, 4});
  const PreparedModel model(builder);
  const ProgramGraph& prepared = model.NodeOf("Loop").subgraphs.at(0);
  EXPECT_THAT(PreparedModel::OperatorsOf(prepared),
              ElementsAre("Identity", kTo, "our Conv", kFrom));
  EXPECT_EQ(prepared.nodes.back().outputs[0], prepared.outputs[1].id);
  EXPECT_THAT(model.program().packings, SizeIs(1));
}

}  // namespace
}  // namespace ephemeralml::decompose
