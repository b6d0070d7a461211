#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>

#include "client/decompose/prepare/match.h"
#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::IsEmpty;
using ::testing::Not;

// x[any, 2, 8, 8] convolved with w[3, 2, 3, 3], padded so that the size stays, and what the test
// adds.
class FuseConvTest : public ::testing::Test {
 protected:
  FuseConvTest() {
    builder_.Input("x", {-1, 2, 8, 8}).Input("r", {-1, 3, 8, 8}).Output("y", {-1, 3, 8, 8});
    builder_.Floats("w", {3, 2, 3, 3}, Counting(54));
    builder_.Floats("b", {3}, {1, 2, 3});
    conv_ = builder_.Node("Conv", {"x", "w", "b"}, {"xw"});
    AddInts(conv_, "pads", {1, 1, 1, 1});
  }
  PreparedModel Prepared() { return PreparedModel(builder_); }
  static std::vector<float> BiasOf(const PreparedModel& model) {
    const ByteSpan bytes = *model.PackingOf("w").bias->raw_data;
    std::vector<float> bias(bytes.size() / sizeof(float));
    std::memcpy(bias.data(), bytes.data(), bytes.size());
    return bias;
  }

  ModelBuilder builder_{13};
  ::onnx::NodeProto* conv_ = nullptr;
};

TEST_F(FuseConvTest, GivesTheAttributesThatArentAsByDefault) {
  AddInts(conv_, "kernel_shape", {3, 3});
  AddInts(conv_, "strides", {1, 2});
  AddInts(conv_, "dilations", {1, 1});
  builder_.Node("Abs", {"xw"}, {"y"});
  const PreparedModel model = Prepared();
  const ProgramNode& conv = model.NodeOf("Conv");
  EXPECT_EQ(IntsAttribute(conv, "kernel_shape"), std::nullopt);
  EXPECT_THAT(*IntsAttribute(conv, "strides"), ElementsAre(1, 2));
  EXPECT_EQ(IntsAttribute(conv, "dilations"), std::nullopt);
  EXPECT_THAT(*IntsAttribute(conv, "pads"), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(conv.inputs.size(), 2U);
  EXPECT_THAT(BiasOf(model), ElementsAre(1, 2, 3));
  EXPECT_THAT(model.PackingOf("w").channel_scale, IsEmpty());
}

TEST_F(FuseConvTest, FoldsNormalizationIntoScaleAndBias) {
  builder_.Floats("scale", {3}, {2, 4, 6});
  builder_.Floats("shift", {3}, {10, 20, 30});
  builder_.Floats("mean", {3}, {1, 1, 1});
  builder_.Floats("variance", {3}, {3, 3, 15});
  AddFloat(builder_.Node("BatchNormalization", {"xw", "scale", "shift", "mean", "variance"}, {"n"}),
           "epsilon", 1);
  builder_.Node("Relu", {"n"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our Conv", "our FromBlocked"));
  EXPECT_EQ(StringAttribute(model.NodeOf("Conv"), "activation"), "Relu");
  // scale / sqrt(variance + epsilon), and (b - mean) times that, plus shift.
  EXPECT_THAT(model.PackingOf("w").channel_scale,
              ElementsAre(FloatEq(1), FloatEq(2), FloatEq(1.5F)));
  EXPECT_THAT(BiasOf(model), ElementsAre(FloatEq(10), FloatEq(22), FloatEq(33)));
}

TEST_F(FuseConvTest, FoldsNumbersAndChannelConstants) {
  builder_.Floats("two", {1}, {2});
  builder_.Floats("terms", {1, 3, 1, 1}, {1, 2, 3});
  builder_.Node("Mul", {"two", "xw"}, {"m"});
  builder_.Node("Add", {"m", "terms"}, {"a"});
  builder_.Node("Abs", {"a"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our Conv", "Abs", "our FromBlocked"));
  EXPECT_THAT(model.PackingOf("w").channel_scale, ElementsAre(2, 2, 2));
  EXPECT_THAT(BiasOf(model), ElementsAre(3, 6, 9));
}

// relu(2 conv(x) + 3), the convolution depthwise, or something else in place of relu.
PreparedModel ScaledDepthwise(const char* after) {
  ModelBuilder builder;
  builder.Input("x", {1, 3, 8, 8})
      .Output("y", {1, 3, 8, 8})
      .Floats("w", {3, 1, 3, 3}, Counting(27));
  builder.Floats("two", {}, {2});
  builder.Floats("three", {1}, {3});
  auto* conv = builder.Node("Conv", {"x", "w"}, {"c"});
  AddInt(conv, "group", 3);
  AddInts(conv, "pads", {1, 1, 1, 1});
  builder.Node("Mul", {"c", "two"}, {"m"});
  builder.Node("Add", {"m", "three"}, {"s"});
  builder.Node(after, {"s"}, {"y"});
  return PreparedModel(builder);
}

// Into depthwise convolutions a normalization is folded, a mere factor isn't: it costs precision.
TEST(FuseConv, LeavesFactorsOfDepthwiseConvolutions) {
  EXPECT_THAT(
      ScaledDepthwise("Abs").Operators(),
      ElementsAre("our ToBlocked", "our DepthwiseConv", "Mul", "Add", "Abs", "our FromBlocked"));
}

TEST(FuseConv, GivesNumbersBeforeAnActivationToDepthwiseConvolutions) {
  const PreparedModel model = ScaledDepthwise("Relu");
  EXPECT_THAT(model.Operators(),
              ElementsAre("our ToBlocked", "our DepthwiseConv", "our FromBlocked"));
  const ProgramNode& fused = model.NodeOf("DepthwiseConv");
  ASSERT_EQ(fused.inputs.size(), 4U);
  EXPECT_EQ(fused.inputs[2], 0U);
  const onnx::Tensor* numbers = FloatConstant(model.program(), fused.inputs[3]);
  ASSERT_NE(numbers, nullptr);
  std::array<float, 2> values = {};
  ASSERT_EQ(numbers->raw_data->size(), sizeof values);
  std::memcpy(values.data(), numbers->raw_data->data(), sizeof values);
  EXPECT_THAT(values, ElementsAre(2, 3));
  EXPECT_EQ(StringAttribute(fused, "activation"), "Relu");
  EXPECT_THAT(model.PackingOf("w").channel_scale, IsEmpty());
}

// conv(2 x + 3), every weight being 1: twice conv(x), and 3 for each of the 4 channels.
std::pair<std::vector<std::string>, float> AfterNumbers(bool padded) {
  ModelBuilder builder;
  builder.Input("x", {-1, 4, 8, 8}).Output("y", {-1, 1, 8, 8});
  builder.Floats("w", {1, 4, 1, 1}, {1, 1, 1, 1});
  builder.Floats("b", {1}, {5});
  builder.Floats("two", {1}, {2});
  builder.Floats("three", {1}, {3});
  builder.Node("Mul", {"two", "x"}, {"m"});
  builder.Node("Add", {"m", "three"}, {"a"});
  AddInts(builder.Node("Conv", {"a", "w", "b"}, {"y"}), "pads",
          std::vector<int64_t>(4, padded ? 1 : 0));
  const PreparedModel model(builder);
  const auto& packing = model.PackingOf("w");
  EXPECT_EQ(packing.channel_scale, padded ? std::vector<float>() : std::vector<float>{2});
  float bias = 0;
  std::memcpy(&bias, packing.bias->raw_data->data(), sizeof(float));
  return {model.Operators(), bias};
}

TEST(FuseConv, FoldsNumbersThatComeBeforeWherePaddingDoesntSee) {
  const auto [operators, bias] = AfterNumbers(false);
  EXPECT_THAT(operators, ElementsAre("our Conv", "our FromBlocked"));
  EXPECT_EQ(bias, 17);
  const auto [padded_operators, padded_bias] = AfterNumbers(true);
  EXPECT_THAT(padded_operators, ElementsAre("Mul", "Add", "our Conv", "our FromBlocked"));
  EXPECT_EQ(padded_bias, 5);
}

TEST_F(FuseConvTest, TakesAResidualThenTheActivation) {
  builder_.Floats("six", {}, {6});
  builder_.Floats("zero", {}, {0});
  builder_.Node("Add", {"r", "xw"}, {"s"});
  builder_.Node("Clip", {"s", "zero", "six"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our ToBlocked", "our Conv", "our FromBlocked"));
  EXPECT_EQ(model.NodeOf("Conv").inputs.size(), 3U);
  EXPECT_EQ(FloatAttribute(model.NodeOf("Conv"), "activation_beta"), 6.0F);
}

TEST_F(FuseConvTest, LeavesWhatFollowsAnOutput) {
  builder_.Output("xw", {-1, 3, 8, 8}).Floats("two", {}, {2});
  builder_.Node("Mul", {"xw", "two"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), Contains("Mul"));
  EXPECT_THAT(model.PackingOf("w").channel_scale, IsEmpty());
}

TEST_F(FuseConvTest, LeavesConstantsThatRunAlongOtherAxes) {
  builder_.Floats("columns", {8}, Counting(8));
  builder_.Node("Mul", {"xw", "columns"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our Conv", "our FromBlocked", "Mul"));
}

TEST_F(FuseConvTest, LeavesANormalizationWhoseScaleIsNoFloat) {
  builder_.Floats("one", {3}, {1, 1, 1});
  builder_.Floats("none", {3}, {1, 0, 1});
  AddFloat(builder_.Node("BatchNormalization", {"xw", "one", "one", "one", "none"}, {"y"}),
           "epsilon", 0);
  EXPECT_THAT(Prepared().Operators(), Contains("BatchNormalization"));
}

TEST_F(FuseConvTest, LeavesATrainingNormalization) {
  builder_.model().mutable_opset_import(0)->set_version(15);
  builder_.Floats("one", {3}, {1, 1, 1});
  auto* node = builder_.Node("BatchNormalization", {"xw", "one", "one", "one", "one"}, {"y"});
  AddInt(node, "training_mode", 1);
  EXPECT_THAT(Prepared().Operators(), Contains("BatchNormalization"));
}

TEST_F(FuseConvTest, PacksAWeightForItselfThatSomethingElseUses) {
  builder_.Output("z", {3, 2, 3, 3});
  builder_.Node("Abs", {"w"}, {"z"});
  builder_.Node("Abs", {"xw"}, {"y"});
  const PreparedModel model = Prepared();
  EXPECT_THAT(model.Operators(), ElementsAre("our Conv", "Abs", "Abs", "our FromBlocked"));
  EXPECT_FALSE(model.program().packings.contains(model.program().main.nodes[1].inputs[0]));
}

TEST_F(FuseConvTest, LeavesABiasThatIsComputed) {
  builder_.Input("c", {3});
  conv_->set_input(2, "c");
  builder_.Node("Abs", {"xw"}, {"y"});
  EXPECT_THAT(Prepared().Operators(), ElementsAre("Conv", "Abs"));
}

// The operators that a convolution alone becomes.
std::vector<std::string> Alone(const std::vector<int64_t>& x, const std::vector<int64_t>& w,
                               const std::function<void(::onnx::NodeProto*)>& change) {
  ModelBuilder builder;
  builder.Input("x", x).Output("y", std::vector<int64_t>(x.size(), -1));
  int64_t count = 1;
  for (const int64_t dim : w) count *= dim;
  builder.Floats("w", w, Counting(static_cast<size_t>(count)));
  change(builder.Node("Conv", {"x", "w"}, {"y"}));
  return PreparedModel(builder).Operators();
}

TEST(FuseConv, TakesOneGroupOrOneAChannel) {
  const auto groups = [](int64_t count) {
    return [count](::onnx::NodeProto* node) { AddInt(node, "group", count); };
  };
  EXPECT_THAT(Alone({1, 4, 8, 8}, {4, 4, 3, 3}, groups(1)), Contains("our Conv"));
  EXPECT_THAT(Alone({1, 4, 8, 8}, {4, 1, 3, 3}, groups(4)), Contains("our DepthwiseConv"));
  EXPECT_THAT(Alone({1, 4, 8, 8}, {4, 2, 3, 3}, groups(2)), ElementsAre("Conv"));
  EXPECT_THAT(Alone({1, 4, 8, 8}, {8, 1, 3, 3}, groups(4)), ElementsAre("Conv"));
  EXPECT_THAT(Alone({1, 4, 8}, {4, 4, 3}, groups(1)), ElementsAre("Conv"));
}

TEST(FuseConv, ResolvesPaddingThatNeedsNoSize) {
  const auto with = [](const char* padding, int64_t stride) {
    return Alone({1, 4, -1, -1}, {4, 4, 3, 3}, [&](::onnx::NodeProto* node) {
      AddString(node, "auto_pad", padding);
      AddInts(node, "strides", {stride, stride});
    });
  };
  EXPECT_THAT(with("VALID", 2), Contains("our Conv"));
  EXPECT_THAT(with("SAME_UPPER", 1), Contains("our Conv"));
  EXPECT_THAT(with("SAME_UPPER", 2), ElementsAre("Conv"));
  EXPECT_THAT(with("SAME_LOWER", 2), ElementsAre("Conv"));
}

TEST(FuseConv, PutsTheOddPadWhereItBelongs) {
  const auto pads = [](const char* padding) {
    ModelBuilder builder;
    builder.Input("x", {1, 4, 8, 8}).Output("y", {1, 4, 8, 8});
    builder.Floats("w", {4, 4, 2, 4}, Counting(128));
    AddString(builder.Node("Conv", {"x", "w"}, {"y"}), "auto_pad", padding);
    return *IntsAttribute(PreparedModel(builder).NodeOf("Conv"), "pads");
  };
  EXPECT_THAT(pads("SAME_UPPER"), ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(pads("SAME_LOWER"), ElementsAre(1, 2, 0, 1));
}

}  // namespace
}  // namespace ephemeralml::decompose
