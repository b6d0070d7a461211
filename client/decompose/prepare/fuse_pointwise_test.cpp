#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;

// x[any, channels, 8, 8], a pointwise convolution to "wide", of 24 channels, and a depthwise one of
// what a test makes of it, from "filtered" to y.
class FusePointwise : public ::testing::Test {
 protected:
  explicit FusePointwise(int64_t channels = 16) {
    builder_.Input("x", {-1, channels, 8, 8}).Output("y", {-1, 24, -1, -1});
    builder_.Floats("w", {24, channels, 1, 1}, Counting(static_cast<size_t>(24 * channels)));
    builder_.Floats("v", {24, 1, 3, 3}, Counting(216));
  }

  ::onnx::NodeProto* AddPointwise() { return builder_.Node("Conv", {"x", "w"}, {"wide"}); }

  ::onnx::NodeProto* AddDepthwise(const std::string& from, const std::string& to) {
    auto* conv = builder_.Node("Conv", {from, "v"}, {to});
    AddInt(conv, "group", 24);
    AddInts(conv, "pads", {1, 1, 1, 1});
    return conv;
  }

  // What is made of the two, whatever else the test adds.
  std::vector<std::string> Operators() const { return PreparedModel(builder_).Operators(); }

  ModelBuilder builder_{13};
};

TEST_F(FusePointwise, MakesTwoConvolutionsOne) {
  AddPointwise();
  builder_.Node("LeakyRelu", {"wide"}, {"a"});
  AddInts(AddDepthwise("a", "filtered"), "strides", {2, 2});
  builder_.Node("Relu", {"filtered"}, {"y"});
  const PreparedModel model(builder_);
  EXPECT_THAT(model.Operators(),
              ElementsAre("our ToBlocked", "our PointwiseDepthwiseConv", "our FromBlocked"));
  const ProgramNode& node = model.NodeOf("PointwiseDepthwiseConv");
  EXPECT_THAT(model.InputsOf("PointwiseDepthwiseConv"), ElementsAre("", "w", "v"));
  EXPECT_EQ(StringAttribute(node, "pointwise_activation"), "LeakyRelu");
  EXPECT_EQ(FloatAttribute(node, "pointwise_activation_alpha"), 0.01F);
  EXPECT_EQ(StringAttribute(node, "activation"), "Relu");
  EXPECT_THAT(*IntsAttribute(node, "strides"), ElementsAre(2, 2));
  EXPECT_THAT(*IntsAttribute(node, "pads"), ElementsAre(1, 1, 1, 1));
}

TEST_F(FusePointwise, GivesOnWhatComesAfterTheFilters) {
  builder_.Floats("two", {}, {2});
  builder_.Floats("three", {}, {3});
  AddPointwise();
  AddDepthwise("wide", "filtered");
  builder_.Node("Mul", {"filtered", "two"}, {"m"});
  builder_.Node("Add", {"m", "three"}, {"s"});
  builder_.Node("Relu", {"s"}, {"y"});
  const PreparedModel model(builder_);
  EXPECT_EQ(model.NodeOf("PointwiseDepthwiseConv").inputs.size(), 4U);
}

TEST_F(FusePointwise, LeavesWhatOthersSee) {
  AddPointwise();
  AddDepthwise("wide", "filtered");
  builder_.Node("Add", {"filtered", "wide"}, {"y"});
  EXPECT_THAT(Operators(),
              ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv", "our FromBlocked"));
}

TEST_F(FusePointwise, LeavesOutputs) {
  builder_.Output("wide", {-1, 24, 8, 8});
  AddPointwise();
  AddDepthwise("wide", "y");
  EXPECT_THAT(Operators(), ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv",
                                       "our FromBlocked", "our FromBlocked"));
}

TEST_F(FusePointwise, LeavesConvolutionsWithAWindow) {
  AddInts(AddPointwise(), "strides", {2, 2});
  AddDepthwise("wide", "y");
  EXPECT_THAT(Operators(),
              ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv", "our FromBlocked"));
}

TEST_F(FusePointwise, LeavesConvolutionsOfSeveralTaps) {
  builder_.Floats("two_taps", {24, 16, 1, 2}, Counting(768));
  builder_.Node("Conv", {"x", "two_taps"}, {"wide"});
  AddDepthwise("wide", "y");
  EXPECT_THAT(Operators(),
              ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv", "our FromBlocked"));
}

TEST_F(FusePointwise, LeavesFiltersWithAResidual) {
  builder_.Input("r", {-1, 24, 8, 8});
  AddPointwise();
  AddDepthwise("wide", "filtered");
  builder_.Node("Add", {"filtered", "r"}, {"y"});
  EXPECT_THAT(Operators(), ElementsAre("our ToBlocked", "our Conv", "our ToBlocked",
                                       "our DepthwiseConv", "our FromBlocked"));
}

TEST_F(FusePointwise, LeavesResiduals) {
  builder_.Input("r", {-1, 24, 8, 8});
  AddPointwise();
  builder_.Node("Add", {"wide", "r"}, {"a"});
  AddDepthwise("a", "y");
  EXPECT_THAT(Operators(), ElementsAre("our ToBlocked", "our ToBlocked", "our Conv",
                                       "our DepthwiseConv", "our FromBlocked"));
}

// They would all lie open for as long as anything is made of them.
TEST_F(FusePointwise, LeavesFiltersThatAreLarge) {
  builder_.Floats("large", {24, 1, 3, 700}, std::vector<float>(24 * 3 * 700, 1));
  AddPointwise();
  auto* conv = builder_.Node("Conv", {"wide", "large"}, {"y"});
  AddInt(conv, "group", 24);
  AddInts(conv, "pads", {1, 350, 1, 350});
  EXPECT_THAT(Operators(),
              ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv", "our FromBlocked"));
}

TEST_F(FusePointwise, LeavesFiltersThatReachOverManyLines) {
  const auto operators = [](int64_t dilation) {
    ModelBuilder builder(13);
    builder.Input("x", {1, 16, 70, 70}).Output("y", {1, 24, -1, -1});
    builder.Floats("w", {24, 16, 1, 1}, Counting(384));
    builder.Floats("v", {24, 1, 2, 1}, Counting(48));
    builder.Node("Conv", {"x", "w"}, {"wide"});
    auto* conv = builder.Node("Conv", {"wide", "v"}, {"y"});
    AddInt(conv, "group", 24);
    AddInts(conv, "dilations", {dilation, 1});
    return PreparedModel(builder).Operators();
  };
  EXPECT_THAT(operators(31),
              ElementsAre("our ToBlocked", "our PointwiseDepthwiseConv", "our FromBlocked"));
  EXPECT_THAT(operators(32),
              ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv", "our FromBlocked"));
}

// Whichever operator takes them, the layout is the same.
TEST_F(FusePointwise, SealsSharedWeightsOnce) {
  builder_.Output("others", {-1, 24, 8, 8}).Output("z", {-1, 24, 8, 8});
  builder_.Input("x2", {-1, 16, 8, 8}).Input("x3", {-1, 24, 8, 8});
  AddPointwise();
  AddDepthwise("wide", "y");
  builder_.Node("Conv", {"x2", "w"}, {"others"});
  AddDepthwise("x3", "z");
  const PreparedModel model(builder_);
  const ProgramNode& both = model.NodeOf("PointwiseDepthwiseConv");
  EXPECT_EQ(both.inputs[1], model.NodeOf("Conv").inputs[1]);
  EXPECT_EQ(both.inputs[2], model.NodeOf("DepthwiseConv").inputs[1]);
}

class FusePointwiseOfFew : public FusePointwise {
 protected:
  FusePointwiseOfFew() : FusePointwise(15) {}
};

// It takes its picture as it is.
TEST_F(FusePointwiseOfFew, LeavesThem) {
  AddPointwise();
  AddDepthwise("wide", "y");
  EXPECT_THAT(Operators(), ElementsAre("our Conv", "our DepthwiseConv", "our FromBlocked"));
}

class FusePointwiseOfMany : public FusePointwise {
 protected:
  FusePointwiseOfMany() : FusePointwise(385) {}
};

// A panel of it would lie open for long, and is large.
TEST_F(FusePointwiseOfMany, LeavesThem) {
  AddPointwise();
  AddDepthwise("wide", "y");
  EXPECT_THAT(Operators(),
              ElementsAre("our ToBlocked", "our Conv", "our DepthwiseConv", "our FromBlocked"));
}

}  // namespace
}  // namespace ephemeralml::decompose
