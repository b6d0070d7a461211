#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;

class MergeMatMuls : public ::testing::Test {
 protected:
  MergeMatMuls() : builder_(13) {
    builder_.Input("x", {2, 3});
    builder_.Input("r", {2, 4});
    for (const char* weight : {"a", "b", "c"}) {
      builder_.Floats(weight, {3, 4}, std::vector<float>(12, 1.0F));
    }
  }

  void Product(const std::string& left, const std::string& weight) {
    builder_.Node("MatMul", {left, weight}, {left + weight});
  }
  void Outputs(const std::vector<std::string>& names) {
    for (const std::string& name : names) builder_.Output(name, {2, 4});
  }
  PreparedModel Prepared() const { return PreparedModel(builder_); }

  ModelBuilder builder_;
};

TEST_F(MergeMatMuls, MakesNeighboursOne) {
  for (const char* weight : {"a", "b", "c"}) Product("x", weight);
  Outputs({"xa", "xb", "xc"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMuls"));
  EXPECT_THAT(model.InputsOf("MatMuls"), ElementsAre("x", "a", "b", "c"));
  std::vector<std::string> made;
  for (const ValueId value : model.NodeOf("MatMuls").outputs) made.push_back(model.NameOf(value));
  EXPECT_THAT(made, ElementsAre("xa", "xb", "xc"));
}

TEST_F(MergeMatMuls, KeepsTheActivationThatAllHave) {
  for (const std::string weight : {"a", "b", "c"}) {
    Product("x", weight);
    builder_.Node(weight == "c" ? "Sigmoid" : "Relu", {"x" + weight}, {"y" + weight});
  }
  Outputs({"ya", "yb", "yc"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our MatMuls", "our MatMul"));
  EXPECT_EQ(StringAttribute(model.NodeOf("MatMuls"), "activation"), "Relu");
  EXPECT_EQ(StringAttribute(model.NodeOf("MatMul"), "activation"), "Sigmoid");
}

TEST_F(MergeMatMuls, TellsActivationsOfOtherParametersApart) {
  for (const std::string weight : {"a", "b"}) {
    Product("x", weight);
    auto* relu = builder_.Node("LeakyRelu", {"x" + weight}, {"y" + weight});
    AddFloat(relu, "alpha", weight == "a" ? 0.1F : 0.2F);
  }
  Outputs({"ya", "yb"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "our MatMul"));
}

TEST_F(MergeMatMuls, LeavesProductsOfOtherOperandsAndWithResiduals) {
  builder_.Input("z", {2, 3});
  Product("x", "a");
  Product("z", "b");
  Product("x", "c");
  builder_.Node("Add", {"xc", "r"}, {"y"});
  Outputs({"xa", "zb", "y"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "our MatMul", "our MatMul"));
}

TEST_F(MergeMatMuls, LeavesProductsApartThatOthersStandBetween) {
  Product("x", "a");
  builder_.Node("Tanh", {"xa"}, {"y"});
  builder_.Node("Softmax", {"y"}, {"s"});
  Product("x", "b");
  Outputs({"s", "xb"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("our MatMul", "Softmax", "our MatMul"));
}

}  // namespace
}  // namespace ephemeralml::decompose
