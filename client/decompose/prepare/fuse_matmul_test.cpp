#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

// x[any, 3] · w[3, 5], and what the test adds.
class FuseMatMulTest : public ::testing::Test {
 protected:
  FuseMatMulTest() {
    builder_.Input("x", {-1, 3}).Input("r", {-1, 5}).Input("row", {1, 5}).Output("y", {-1, 5});
    builder_.Floats("w", {3, 5}, Counting(15));
    builder_.Floats("b", {5}, Counting(5));
    builder_.Node("MatMul", {"x", "w"}, {"xw"});
  }
  PreparedModel Prepared() { return PreparedModel(builder_); }

  ModelBuilder builder_;
};

TEST_F(FuseMatMulTest, TakesBiasResidualAndActivation) {
  builder_.Node("Add", {"b", "xw"}, {"biased"});
  builder_.Node("Add", {"r", "biased"}, {"sum"});
  builder_.Node("Relu", {"sum"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul"));
  EXPECT_THAT(model.InputsOf("MatMul"), ElementsAre("x", "w", "r"));
  EXPECT_EQ(StringAttribute(model.NodeOf("MatMul"), "activation"), "Relu");
  EXPECT_EQ(model.PackingOf("w").bias->name, "b");
  EXPECT_FALSE(model.PackingOf("w").transposed);
}

TEST_F(FuseMatMulTest, TakesTheResidualBeforeTheBias) {
  builder_.Node("Add", {"xw", "r"}, {"sum"});
  builder_.Node("Add", {"sum", "b"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul"));
  EXPECT_NE(model.PackingOf("w").bias, nullptr);
}

TEST_F(FuseMatMulTest, LeavesAResidualThatIsBroadcastOrBroadcasts) {
  builder_.Node("Add", {"xw", "row"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul", "Add"));
  EXPECT_EQ(model.PackingOf("w").bias, nullptr);
}

TEST_F(FuseMatMulTest, LeavesAResidualOfAnotherSymbol) {
  builder_.get()
      ->mutable_input(1)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("another");
  builder_.Node("Add", {"xw", "r"}, {"y"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Add"));
}

TEST_F(FuseMatMulTest, LeavesABiasThatIsNoRow) {
  builder_.Floats("column", {5, 1}, Counting(5));
  builder_.Node("Add", {"xw", "column"}, {"y"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Add"));
}

TEST_F(FuseMatMulTest, LeavesAProductThatSomethingElseUses) {
  builder_.Output("xw", {-1, 5});
  builder_.Node("Add", {"xw", "b"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul", "Add"));
  EXPECT_EQ(model.PackingOf("w").bias, nullptr);
}

TEST_F(FuseMatMulTest, LeavesAProductThatASubgraphUses) {
  builder_.Input("c", {}, ::onnx::TensorProto::BOOL);
  auto* branch = builder_.Node("If", {"c"}, {"y"});
  AddGraph(branch, "then_branch").Output("s", {-1, 5}).Node("Relu", {"xw"}, {"s"});
  AddGraph(branch, "else_branch").Output("t", {-1, 5}).Node("Abs", {"r"}, {"t"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul", "If"));
  EXPECT_EQ(model.NodeOf("If").subgraphs[0].nodes[0].inputs[0], model.NodeOf("MatMul").outputs[0]);
}

TEST_F(FuseMatMulTest, PacksAWeightForEachProductInItsWay) {
  builder_.Output("z", {-1, 3});
  builder_.Node("Relu", {"xw"}, {"y"});
  AddInt(builder_.Node("Gemm", {"y", "w"}, {"z"}), "transB", 1);
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul", "our MatMul"));
  const auto& nodes = model.program().main.nodes;
  EXPECT_FALSE(model.program().packings.at(nodes[0].inputs[1]).transposed);
  EXPECT_TRUE(model.program().packings.at(nodes[1].inputs[1]).transposed);
}

TEST_F(FuseMatMulTest, PacksAWeightOnceForProductsThatTakeItAlike) {
  builder_.Input("v", {-1, 3}).Output("z", {-1, 5});
  builder_.Node("Relu", {"xw"}, {"y"});
  builder_.Node("MatMul", {"v", "w"}, {"z"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul", "our MatMul"));
  const auto& nodes = model.program().main.nodes;
  EXPECT_EQ(nodes[0].inputs[1], nodes[1].inputs[1]);
}

// As a language model that ends with the table it began with. It is sealed as rows, for the lookup,
// and packed, for the product.
TEST(FuseMatMul, PacksATableThatLookupsShareASecondTime) {
  ModelBuilder builder;
  builder.Input("words", {-1}, ::onnx::TensorProto::INT64).Output("y", {-1, 7});
  builder.Floats("table", {7, 7}, Counting(49));
  builder.Node("Gather", {"table", "words"}, {"x"});
  builder.Node("Transpose", {"table"}, {"turned"});
  builder.Node("MatMul", {"x", "turned"}, {"y"});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre("Gather", "our MatMul"));
  const ValueId packed = model.NodeOf("MatMul").inputs[1];
  EXPECT_NE(packed, model.NodeOf("Gather").inputs[0]);
  EXPECT_TRUE(model.program().packings.at(packed).transposed);
  EXPECT_FALSE(model.program().packings.contains(model.NodeOf("Gather").inputs[0]));
}

TEST_F(FuseMatMulTest, LeavesAClipWhoseBoundMayHaveBeenLearned) {
  builder_.Floats("low", {}, {-1.37F});
  builder_.Node("Clip", {"xw", "low"}, {"y"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Clip"));
}

TEST_F(FuseMatMulTest, KnowsClipsBounds) {
  builder_.Floats("low", {}, {-1});
  builder_.Node("Clip", {"xw", "low"}, {"y"});
  const PreparedModel model = Prepared();
  const ProgramNode& node = model.NodeOf("MatMul");
  EXPECT_EQ(StringAttribute(node, "activation"), "Clip");
  EXPECT_EQ(FloatAttribute(node, "activation_alpha"), -1.0F);
  EXPECT_EQ(FloatAttribute(node, "activation_beta"), std::numeric_limits<float>::infinity());
}

TEST_F(FuseMatMulTest, LeavesAClipWhoseBoundsAreComputed) {
  builder_.Input("low", {});
  builder_.Node("Clip", {"xw", "low"}, {"y"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Clip"));
}

TEST_F(FuseMatMulTest, TakesAGeluThatWasSpelledOut) {
  builder_.Floats("root", {}, {1.41421356F});
  builder_.Floats("one", {}, {1});
  builder_.Floats("half", {}, {0.5F});
  builder_.Node("Div", {"xw", "root"}, {"e1"});
  builder_.Node("Erf", {"e1"}, {"e2"});
  builder_.Node("Add", {"e2", "one"}, {"e3"});
  builder_.Node("Mul", {"xw", "e3"}, {"e4"});
  builder_.Node("Mul", {"e4", "half"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul"));
  EXPECT_EQ(StringAttribute(model.NodeOf("MatMul"), "activation"), "Gelu");
}

// x * clip(x + 3, 0, 6) / 6, as some exporters write it.
void AddHardSwish(ModelBuilder& builder, float bound, bool product_first, float divisor = 6) {
  builder.Floats("three", {}, {3});
  builder.Floats("zero", {}, {0});
  builder.Floats("bound", {}, {bound});
  builder.Floats("six", {}, {divisor});
  builder.Node("Add", {"xw", "three"}, {"h1"});
  builder.Node("Clip", {"h1", "zero", "bound"}, {"h2"});
  builder.Node(product_first ? "Mul" : "Div", {"h2", product_first ? "xw" : "six"}, {"h3"});
  builder.Node(product_first ? "Div" : "Mul", {"h3", product_first ? "six" : "xw"}, {"y"});
}

TEST_F(FuseMatMulTest, TakesAHardSwishThatWasSpelledOut) {
  AddHardSwish(builder_, 6, true);
  EXPECT_EQ(StringAttribute(Prepared().NodeOf("MatMul"), "activation"), "HardSwish");
}

TEST_F(FuseMatMulTest, TakesAHardSwishInItsOtherOrder) {
  AddHardSwish(builder_, 6, false);
  EXPECT_EQ(StringAttribute(Prepared().NodeOf("MatMul"), "activation"), "HardSwish");
}

TEST_F(FuseMatMulTest, LeavesAHardSwishOfOtherNumbers) {
  AddHardSwish(builder_, 5, true);
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Add", "Clip", "Mul", "Div"));
}

TEST_F(FuseMatMulTest, LeavesAHardSwishOfAnotherDivisor) {
  AddHardSwish(builder_, 6, true, 5);
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Add", "Clip", "Mul", "Div"));
}

TEST(FuseMatMul, TakesATransposedWeight) {
  ModelBuilder builder;
  builder.Input("x", {-1, 3}).Output("y", {-1, 5}).Floats("w", {5, 3}, Counting(15));
  AddInts(builder.Node("Transpose", {"w"}, {"t"}), "perm", {1, 0});
  builder.Node("MatMul", {"x", "t"}, {"y"});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMul"));
  EXPECT_TRUE(model.PackingOf("w").transposed);
}

TEST(FuseMatMul, LeavesFactorsThatAreNoConstantMatrixOfFloats) {
  ModelBuilder batch;
  batch.Input("x", {-1, 3}).Output("y", {2, -1, 5}).Floats("w", {2, 3, 5}, Counting(30));
  batch.Node("MatMul", {"x", "w"}, {"y"});
  EXPECT_THAT(PreparedModel(batch).Operators(), ElementsAre("MatMul"));
  ModelBuilder left;
  left.Input("x", {3, -1}).Output("y", {5, -1}).Floats("w", {5, 3}, Counting(15));
  left.Node("MatMul", {"w", "x"}, {"y"});
  EXPECT_THAT(PreparedModel(left).Operators(), ElementsAre("MatMul"));
}

// What Gemm does beside multiplying.
std::vector<std::string> GemmWith(const std::function<void(::onnx::NodeProto*)>& change,
                                  const std::vector<int64_t>& bias_dims = {5}) {
  ModelBuilder builder;
  builder.Input("x", {-1, 3}).Output("y", {-1, 5}).Floats("w", {5, 3}, Counting(15));
  int64_t count = 1;
  for (const int64_t dim : bias_dims) count *= dim;
  builder.Floats("b", bias_dims, Counting(static_cast<size_t>(count)));
  auto* node = builder.Node("Gemm", {"x", "w", "b"}, {"y"});
  AddInt(node, "transB", 1);
  change(node);
  const PreparedModel model(builder);
  if (model.Operators() == std::vector<std::string>{"our MatMul"}) {
    EXPECT_TRUE(model.PackingOf("w").transposed);
    EXPECT_EQ(model.PackingOf("w").bias->name, "b");
  }
  return model.Operators();
}

TEST(FuseMatMul, TakesGemmsThatOnlyMultiplyAndAddARow) {
  const auto nothing = [](::onnx::NodeProto*) {};
  EXPECT_THAT(GemmWith(nothing), ElementsAre("our MatMul"));
  EXPECT_THAT(GemmWith(nothing, {1, 5}), ElementsAre("our MatMul"));
  EXPECT_THAT(GemmWith(nothing, {1}), ElementsAre("Gemm"));
  EXPECT_THAT(GemmWith(nothing, {7, 5}), ElementsAre("Gemm"));
  EXPECT_THAT(GemmWith([](auto* node) { AddFloat(node, "alpha", 2); }), ElementsAre("Gemm"));
  EXPECT_THAT(GemmWith([](auto* node) { AddFloat(node, "beta", 0.5F); }), ElementsAre("Gemm"));
  EXPECT_THAT(GemmWith([](auto* node) { AddInt(node, "transA", 1); }), ElementsAre("Gemm"));
}

}  // namespace
}  // namespace ephemeralml::decompose
