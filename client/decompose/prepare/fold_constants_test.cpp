#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;

// The elements of a folded constant.
template <class T>
std::vector<T> ElementsOf(const PreparedModel& model, ValueId value) {
  const ByteSpan bytes = *model.program().constants.at(value).tensor->raw_data;
  std::vector<T> elements(bytes.size() / sizeof(T));
  std::memcpy(elements.data(), bytes.data(), bytes.size());
  return elements;
}

// Reshape(x, target), `target` being made by what the test adds.
class FoldTest : public ::testing::Test {
 protected:
  FoldTest() {
    builder_.Ints("zero", {1}, {0});
    builder_.Ints("one", {1}, {1});
    builder_.Ints("two", {1}, {2});
    builder_.Ints("axis", {1}, {0});
  }
  PreparedModel Prepared(std::vector<int64_t> dims) {
    builder_.Input("x", std::move(dims)).Output("y", {-1, -1});
    builder_.Node("Reshape", {"x", "target"}, {"y"});
    return PreparedModel(builder_);
  }

  ModelBuilder builder_;
};

TEST_F(FoldTest, ComputesShapesOfWhatIsStatic) {
  builder_.Node("Shape", {"x"}, {"shape"});
  builder_.Node("Gather", {"shape", "zero"}, {"n"});
  builder_.Node("Slice", {"shape", "one", "two"}, {"c"});
  builder_.Node("Mul", {"n", "c"}, {"product"});
  AddInt(builder_.Node("Concat", {"product", "two"}, {"target"}), "axis", 0);
  const PreparedModel model = Prepared({4, 3, 2});
  EXPECT_THAT(model.Operators(), ElementsAre("Reshape"));
  EXPECT_THAT(ElementsOf<int64_t>(model, model.NodeOf("Reshape").inputs[1]), ElementsAre(12, 2));
}

TEST_F(FoldTest, KeepsWhatDependsOnAnInputsSize) {
  builder_.Node("Shape", {"x"}, {"shape"});
  builder_.Node("Gather", {"shape", "zero"}, {"n"});
  AddInt(builder_.Node("Concat", {"n", "two"}, {"target"}), "axis", 0);
  EXPECT_THAT(Prepared({-1, 2}).Operators(), ElementsAre("Shape", "Gather", "Concat", "Reshape"));
}

TEST_F(FoldTest, ComputesUnsqueezeSqueezeCastAndRange) {
  builder_.Ints("n", {}, {3});
  builder_.Ints("from", {}, {1});
  builder_.Ints("step", {}, {1});
  builder_.Node("Range", {"from", "n", "step"}, {"range"});
  AddInt(builder_.Node("Cast", {"range"}, {"narrow"}), "to", ::onnx::TensorProto::INT32);
  AddInt(builder_.Node("Cast", {"narrow"}, {"wide"}), "to", kInt64);
  builder_.Node("Unsqueeze", {"wide", "axis"}, {"row"});
  builder_.Node("Squeeze", {"row", "axis"}, {"target"});
  const PreparedModel model = Prepared({2});
  EXPECT_THAT(model.Operators(), ElementsAre("Reshape"));
  EXPECT_THAT(ElementsOf<int64_t>(model, model.NodeOf("Reshape").inputs[1]), ElementsAre(1, 2));
}

TEST_F(FoldTest, DividesWholeNumbersAsWholeNumbers) {
  builder_.Ints("seven", {1}, {7});
  builder_.Node("Div", {"seven", "two"}, {"three"});
  builder_.Node("Sub", {"three", "one"}, {"target"});
  const PreparedModel model = Prepared({2});
  EXPECT_THAT(ElementsOf<int64_t>(model, model.NodeOf("Reshape").inputs[1]), ElementsAre(2));
}

TEST_F(FoldTest, KeepsADivisionByZeroAndAnOverflow) {
  builder_.Ints("most", {1}, {INT64_MAX});
  builder_.Node("Div", {"one", "zero"}, {"d"});
  builder_.Node("Add", {"most", "one"}, {"s"});
  builder_.Node("Add", {"d", "s"}, {"target"});
  EXPECT_THAT(Prepared({2}).Operators(), ElementsAre("Div", "Add", "Add", "Reshape"));
}

TEST(FoldConstants, ComputesSingleFloats) {
  ModelBuilder builder;
  builder.Input("x", {2, 16}).Output("y", {2, 16}).Ints("last", {}, {1});
  builder.Node("Shape", {"x"}, {"shape"});
  builder.Node("Gather", {"shape", "last"}, {"n"});
  AddInt(builder.Node("Cast", {"n"}, {"number"}), "to", kFloat);
  builder.Node("Sqrt", {"number"}, {"root"});
  builder.Node("Div", {"x", "root"}, {"y"});
  const PreparedModel model(builder);
  EXPECT_THAT(model.Operators(), ElementsAre("Div"));
  const ValueId root = model.NodeOf("Div").inputs[1];
  EXPECT_THAT(ElementsOf<float>(model, root), ElementsAre(4.0F));
  EXPECT_TRUE(model.program().constants.at(root).tensor->dims.empty());
}

TEST(FoldConstants, KeepsOutputsOfTheModel) {
  ModelBuilder builder;
  builder.Input("x", {2, 3}).Output("y", {2}, kInt64);
  builder.Node("Shape", {"x"}, {"y"});
  EXPECT_THAT(PreparedModel(builder).Operators(), ElementsAre("Shape"));
}

}  // namespace
}  // namespace ephemeralml::decompose
