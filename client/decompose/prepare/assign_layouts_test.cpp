#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;

constexpr const char* kTo = "our ToBlocked";
constexpr const char* kFrom = "our FromBlocked";

// Two convolutions of 1 by 1, from x to "first" and from "second" to y; a test joins them.
class LayoutTest : public ::testing::Test {
 protected:
  explicit LayoutTest(int64_t channels = 24) : channels_(channels) {
    builder_.Input("x", {-1, 16, -1, -1}).Output("y", {-1, 8, -1, -1});
    AddConv("x", "first", 16, channels);
    builder_.Floats("zero", {}, {0});
  }
  void AddConv(const std::string& from, const std::string& to, int64_t in, int64_t out) {
    builder_.Floats(to + "_w", {out, in, 1, 1}, Counting(static_cast<size_t>(in * out)));
    builder_.Node("Conv", {from, to + "_w"}, {to});
  }
  PreparedModel Prepared() {
    AddConv("second", "y", channels_, 8);
    return PreparedModel(builder_);
  }

  int64_t channels_;
  ModelBuilder builder_{13};
};

TEST_F(LayoutTest, KeepsElementwiseOperatorsBlocked) {
  builder_.Node("Abs", {"first"}, {"a"});
  builder_.Node("Sigmoid", {"a"}, {"g"});
  builder_.Node("Mul", {"a", "g"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", "Abs", "Sigmoid", "Mul", "our Conv", kFrom));
}

TEST_F(LayoutTest, KeepsSqueezeAndExciteBlocked) {
  builder_.Node("GlobalAveragePool", {"first"}, {"p"});
  AddConv("p", "c", channels_, 4);
  AddConv("c", "d", 4, channels_);
  builder_.Node("HardSigmoid", {"d"}, {"g"});
  builder_.Node("Mul", {"first", "g"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", "our GlobalAveragePool", "our Conv", "our Conv", "Mul",
                          "our Conv", kFrom));
}

TEST_F(LayoutTest, KeepsPoolsBlockedWithTheirAttributes) {
  auto* pool = builder_.Node("MaxPool", {"first"}, {"second"});
  AddInts(pool, "kernel_shape", {3, 3});
  AddInts(pool, "strides", {2, 2});
  AddInts(pool, "pads", {1, 1, 1, 1});
  AddInt(pool, "ceil_mode", 1);
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre(kTo, "our Conv", "our MaxPool", "our Conv", kFrom));
  const ProgramNode& node = model.NodeOf("MaxPool");
  EXPECT_THAT(*IntsAttribute(node, "kernel_shape"), ElementsAre(3, 3));
  EXPECT_THAT(*IntsAttribute(node, "strides"), ElementsAre(2, 2));
  EXPECT_THAT(*IntsAttribute(node, "pads"), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(IntAttribute(node, "ceil_mode"), 1);
}

TEST_F(LayoutTest, ConvertsAroundWhatCant) {
  AddInts(builder_.Node("Transpose", {"first"}, {"second"}), "perm", {0, 1, 3, 2});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", kFrom, "Transpose", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, ConvertsOnceForManyUsers) {
  AddInts(builder_.Node("Transpose", {"first"}, {"a"}), "perm", {0, 1, 3, 2});
  AddInts(builder_.Node("Transpose", {"first"}, {"b"}), "perm", {0, 1, 3, 2});
  builder_.Node("Pow", {"a", "b"}, {"second"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre(kTo, "our Conv", kFrom, "Transpose", "Transpose",
                                                  "Pow", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, ConvertsForSubgraphsAndOutputs) {
  builder_.Input("c", {}, ::onnx::TensorProto::BOOL).Output("first", {-1, 24, -1, -1});
  auto* branch = builder_.Node("If", {"c"}, {"second"});
  AddGraph(branch, "then_branch").Output("s", {}).Node("Abs", {"first"}, {"s"});
  AddGraph(branch, "else_branch").Output("t", {}).Node("Exp", {"first"}, {"t"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre(kTo, "our Conv", kFrom, "If", kTo, "our Conv", kFrom));
  const ValueId planar = model.NodeOf("If").subgraphs[0].nodes[0].inputs[0];
  EXPECT_EQ(model.program().main.nodes[2].outputs[0], planar);
  EXPECT_EQ(model.program().main.outputs[1].id, planar);
}

// Exp and Reciprocal make infinities of lanes that nobody looks at, and zero times those is NaN.
TEST_F(LayoutTest, KeepsLanesFinite) {
  builder_.Node("Reciprocal", {"first"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", kFrom, "Reciprocal", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, KeepsLanesFromGrowingWithoutBound) {
  builder_.Floats("much", {}, {1e9F});
  builder_.Node("Abs", {"first"}, {"a"});
  builder_.Node("Mul", {"a", "much"}, {"b"});
  builder_.Node("Mul", {"b", "b"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", "Abs", "Mul", kFrom, "Mul", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, CountsWhatADepthwiseConvolutionAddsInAllLanes) {
  builder_.Floats("filters", {24, 1, 1, 1}, Counting(24));
  builder_.Floats("two", {}, {2});
  builder_.Floats("term", {}, {1e5F});
  builder_.Floats("much", {}, {1e9F});
  AddInt(builder_.Node("Conv", {"first", "filters"}, {"depthwise"}), "group", 24);
  builder_.Node("Mul", {"depthwise", "two"}, {"scaled"});
  builder_.Node("Add", {"scaled", "term"}, {"sum"});
  builder_.Node("Relu", {"sum"}, {"a"});
  builder_.Node("Mul", {"a", "much"}, {"b"});
  builder_.Node("Abs", {"b"}, {"second"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre(kTo, "our PointwiseDepthwiseConv", kFrom, "Mul",
                                                  "Abs", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, KeepsABoundFromFillingLanes) {
  builder_.Floats("high", {}, {1e20F});
  builder_.Node("Abs", {"first"}, {"a"});
  builder_.Node("Clip", {"a", "high"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", "Abs", kFrom, "Clip", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, ConvertsForBlockedOperandsOfOtherChannels) {
  AddConv("first", "narrow", 24, 1);
  builder_.Node("Mul", {"first", "narrow"}, {"second"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre(kTo, "our Conv", "our Conv", kFrom, kFrom, "Mul",
                                                  kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, SpreadsChannelConstantsOverBlocks) {
  builder_.Floats("factors", {24, 1, 1}, Counting(24));
  builder_.Node("Abs", {"first"}, {"a"});
  builder_.Node("Mul", {"factors", "a"}, {"second"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre(kTo, "our Conv", "Abs", "Mul", "our Conv", kFrom));
  const auto& tensor = *model.program().constants.at(model.NodeOf("Mul").inputs[0]).tensor;
  EXPECT_THAT(tensor.dims, ElementsAre(1, 2, 1, 1, 16));
  std::vector<float> values(32);
  ASSERT_EQ(tensor.raw_data->size(), 128U);
  std::memcpy(values.data(), tensor.raw_data->data(), 128);
  EXPECT_EQ(values[23], 24);
  EXPECT_EQ(values[24], 0);
}

TEST_F(LayoutTest, ConvertsForConstantsThatRunAlongOtherAxes) {
  builder_.Floats("columns", {24}, Counting(24));
  builder_.Node("Abs", {"first"}, {"a"});
  builder_.Node("Add", {"a", "columns"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", "Abs", kFrom, "Add", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, ConvertsForOperandsThatBroadcastOverChannels) {
  builder_.Input("m", {-1, 1, -1, -1});
  builder_.Node("Abs", {"first"}, {"a"});
  builder_.Node("Mul", {"a", "m"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", "Abs", kFrom, "Mul", kTo, "our Conv", kFrom));
}

TEST_F(LayoutTest, ScalesHeightAndWidthInBlocks) {
  builder_.Floats("scales", {4}, {1, 1, 2, 2});
  builder_.Node("Resize", {"first", "", "scales"}, {"second"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre(kTo, "our Conv", "Resize", "our Conv", kFrom));
  const auto& tensor = *model.program().constants.at(model.NodeOf("Resize").inputs[2]).tensor;
  EXPECT_THAT(tensor.dims, ElementsAre(5));
}

TEST_F(LayoutTest, ConvertsForScalesOfChannels) {
  builder_.Floats("scales", {4}, {1, 2, 2, 2});
  builder_.Node("Resize", {"first", "", "scales"}, {"wide"});
  builder_.Floats("last_w", {24, 48, 1, 1}, Counting(24 * 48));
  builder_.Node("Conv", {"wide", "last_w"}, {"second"});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", kFrom, "Resize", kTo, "our Conv", "our Conv", kFrom));
}

TEST_F(LayoutTest, GivesAPoolThatLooksBeyondItsWindowPlanarTensors) {
  auto* pool = builder_.Node("MaxPool", {"first"}, {"second"});
  AddInts(pool, "kernel_shape", {2, 2});
  AddInts(pool, "pads", {2, 0, 0, 0});
  EXPECT_THAT(Prepared().Operators(),
              ElementsAre(kTo, "our Conv", kFrom, "MaxPool", kTo, "our Conv", kFrom));
}

TEST(AssignLayouts, LeavesAFewChannelsAsTheyAre) {
  ModelBuilder builder;
  builder.Input("x", {-1, 3, 4, 4}).Output("y", {-1, 32, 4, 4});
  builder.Floats("w", {32, 3, 1, 1}, Counting(96));
  builder.Node("Conv", {"x", "w"}, {"y"});
  EXPECT_THAT(PreparedModel(builder).Operators(), ElementsAre("our Conv", kFrom));
}

std::vector<std::string> Joined(int64_t first, int64_t second, int64_t axis) {
  ModelBuilder builder;
  builder.Input("x", {-1, 16, 4, 4}).Output("y", {-1, -1, -1, -1});
  for (const auto& [name, channels] : {std::pair("a", first), std::pair("b", second)}) {
    builder.Floats(name + std::string("_w"), {channels, 16, 1, 1},
                   Counting(static_cast<size_t>(16 * channels)));
    builder.Node("Conv", {"x", name + std::string("_w")}, {name});
  }
  AddInt(builder.Node("Concat", {"a", "b"}, {"j"}), "axis", axis);
  builder.Node("Abs", {"j"}, {"y"});
  return PreparedModel(builder).Operators();
}

TEST(AssignLayouts, JoinsWholeBlocks) {
  const auto blocked = ElementsAre(kTo, "our Conv", "our Conv", "Concat", "Abs", kFrom);
  EXPECT_THAT(Joined(16, 32, 1), blocked);
  EXPECT_THAT(Joined(16, 24, -3), blocked);
  const auto planar = ElementsAre(kTo, "our Conv", "our Conv", kFrom, kFrom, "Concat", "Abs");
  EXPECT_THAT(Joined(24, 16, 1), planar);
  EXPECT_THAT(Joined(16, 16, 2), planar);
}

}  // namespace
}  // namespace ephemeralml::decompose
