#include "client/decompose/prepare/facts.h"

#include <gtest/gtest.h>

#include <memory>

#include "client/decompose/onnx/read_model.h"
#include "client/decompose/program/order.h"
#include "client/decompose/program/resolve.h"
#include "client/decompose/testing/models.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;

// Shapes as text: numbers, and letters in the order in which symbols first appear.
class FactsTest : public ::testing::Test {
 protected:
  // y is whatever the test makes of x [any, 6, any'] and the integers in its builder.
  std::string ShapeOfY(const std::vector<std::string>& more_outputs = {}) {
    bytes_ = builder_.Serialize();
    model_ = std::make_unique<onnx::Model>(onnx::ReadModel(bytes_).value());
    program_ = Resolve(*model_).value();
    EXPECT_TRUE(OrderNodes(program_.main).has_value());
    onnx::ExternalFiles files;
    facts_ = std::make_unique<Facts>(program_, files);
    std::string text = Text(program_.main.inputs[0].id) + " ->";
    for (size_t i = 0; i <= more_outputs.size(); ++i) {
      text += " " + Text(program_.main.outputs[i].id);
    }
    return text;
  }
  std::string Text(ValueId value) {
    const SizeList* shape = facts_->ShapeOf(value);
    if (shape == nullptr) return "?";
    std::string text;
    for (const Size& size : *shape) {
      if (!text.empty()) text += ",";
      text +=
          size.IsKnown()
              ? std::to_string(size.value)
              : std::string(
                    1, letters_.try_emplace(size.symbol, 'a' + static_cast<char>(letters_.size()))
                           .first->second);
    }
    return text;
  }
  void Input(int64_t rows, int64_t columns) {
    builder_.Input("x", {rows, 6, columns}).Output("y", {});
    auto* shape =
        builder_.get()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
    if (columns < 0) shape->mutable_dim(2)->set_dim_param("columns");
  }

  ModelBuilder builder_{13};
  Bytes bytes_;
  std::unique_ptr<onnx::Model> model_;
  Program program_;
  std::unique_ptr<Facts> facts_;
  std::map<uint32_t, char> letters_;
};

TEST_F(FactsTest, FollowsSymbolsThroughReshape) {
  Input(-1, -1);
  builder_.Ints("to", {4}, {0, 2, 3, -1});
  builder_.Node("Reshape", {"x", "to"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> a,2,3,b");
}

TEST_F(FactsTest, KnowsNoProductOfSymbols) {
  Input(-1, -1);
  builder_.Ints("to", {2}, {-1, 6});
  builder_.Node("Reshape", {"x", "to"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> c,6");
}

TEST_F(FactsTest, KnowsNoQuotientOfOtherSymbols) {
  Input(-1, -1);
  builder_.Input("z", {-1, 1});
  builder_.get()
      ->mutable_input(1)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("others");
  builder_.Ints("at", {1}, {0});
  builder_.Ints("rest", {1}, {-1});
  builder_.Node("Shape", {"z"}, {"s"});
  builder_.Node("Gather", {"s", "at"}, {"rows"});
  AddInt(builder_.Node("Concat", {"rows", "rest"}, {"to"}), "axis", 0);
  builder_.Node("Reshape", {"x", "to"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> c,d");
}

TEST_F(FactsTest, FollowsShapesThatAreComputed) {
  Input(-1, -1);
  builder_.Ints("at", {1}, {2});
  builder_.Ints("two", {1}, {2});
  builder_.Node("Shape", {"x"}, {"s"});
  builder_.Node("Gather", {"s", "at"}, {"columns"});
  AddInt(builder_.Node("Concat", {"columns", "two", "two"}, {"to"}), "axis", 0);
  builder_.Node("ConstantOfShape", {"to"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> b,2,2");
}

// A sum with a symbol is a number of which nothing is known: it may be less than none.
TEST_F(FactsTest, KnowsNothingOfSumsWithSymbols) {
  Input(-1, -1);
  builder_.Ints("at", {1}, {2});
  builder_.Ints("one", {1}, {1});
  builder_.Node("Shape", {"x"}, {"s"});
  builder_.Node("Gather", {"s", "at"}, {"columns"});
  builder_.Node("Sub", {"columns", "one"}, {"less"});
  AddInt(builder_.Node("Concat", {"less", "less"}, {"to"}), "axis", 0);
  builder_.Node("ConstantOfShape", {"to"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> c,d");
}

// The first s of 512 positions, added to s rows: there must be s of them.
TEST_F(FactsTest, KnowsThatACutTableFitsOrIsRefused) {
  Input(-1, -1);
  builder_.Floats("table", {1, 6, 512}, Counting(6 * 512));
  builder_.Ints("zero", {1}, {0});
  builder_.Ints("at", {1}, {2});
  builder_.Node("Shape", {"x"}, {"s"});
  builder_.Node("Gather", {"s", "at"}, {"columns"});
  builder_.Node("Slice", {"table", "zero", "columns", "at"}, {"cut"});
  builder_.Output("cut", {});
  builder_.Node("Add", {"x", "cut"}, {"sum"});
  builder_.Node("Add", {"cut", "sum"}, {"y"});
  EXPECT_EQ(ShapeOfY({"cut"}), "a,6,b -> a,6,b 1,6,c");
}

TEST_F(FactsTest, MakesNoElementOfNone) {
  Input(-1, 3);
  builder_.Ints("none", {0}, {});
  builder_.Ints("one", {1}, {5});
  builder_.Node("Add", {"none", "one"}, {"left"});
  builder_.Node("Mul", {"one", "left"}, {"right"});
  builder_.Node("Relu", {"x"}, {"y"});
  builder_.Output("right", {0}, kInt64);
  EXPECT_EQ(ShapeOfY({"right"}), "a,6,3 -> a,6,3 0");
}

TEST_F(FactsTest, BroadcastsDifferentSymbolsToANewOne) {
  Input(-1, -1);
  builder_.Input("z", {-1});
  builder_.get()
      ->mutable_input(1)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("others");
  builder_.Node("Add", {"x", "z"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> a,6,c");
}

TEST_F(FactsTest, KnowsMatrixProducts) {
  Input(-1, -1);
  builder_.Floats("left", {4, 6}, Counting(24));
  builder_.Node("MatMul", {"left", "x"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> a,4,b");
}

TEST_F(FactsTest, ReducesTheAxesThatTheOpsetNames) {
  Input(-1, -1);
  builder_.Ints("axes", {1}, {1});
  AddInt(builder_.Node("ReduceSum", {"x", "axes"}, {"y"}), "keepdims", 0);
  EXPECT_EQ(ShapeOfY(), "a,6,b -> a,b");
}

TEST_F(FactsTest, KnowsNoShapeOfWhatItDoesntKnow) {
  Input(-1, -1);
  builder_.Node("Einsum", {"x"}, {"z"});
  builder_.Node("Abs", {"z"}, {"y"});
  EXPECT_EQ(ShapeOfY(), "a,6,b -> ?");
}

// Of a convolution over x [1, 1, 9, s], padded as the test says.
std::string ConvShape(int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
  ModelBuilder builder;
  builder.Input("x", {1, 1, 9, -1}).Output("y", {});
  builder.Floats("w", {2, 1, kernel, kernel}, Counting(static_cast<size_t>(2 * kernel * kernel)));
  auto* node = builder.Node("Conv", {"x", "w"}, {"y"});
  AddInts(node, "strides", {stride, stride});
  AddInts(node, "dilations", {dilation, dilation});
  AddInts(node, "pads", std::vector<int64_t>(4, pad));
  const Bytes bytes = builder.Serialize();
  const auto model = onnx::ReadModel(bytes).value();
  const auto program = Resolve(model).value();
  onnx::ExternalFiles files;
  const Facts facts(program, files);
  const SizeList in = *facts.ShapeOf(program.main.inputs[0].id);
  const SizeList out = *facts.ShapeOf(program.main.outputs[0].id);
  EXPECT_TRUE(out[0].Is(1) && out[1].Is(2));
  return std::to_string(out[2].value) + (out[3] == in[3] ? " same" : " other");
}

TEST(Facts, CountsWindows) {
  EXPECT_EQ(ConvShape(3, 1, 1, 1), "9 same");
  EXPECT_EQ(ConvShape(3, 2, 1, 1), "5 other");
  EXPECT_EQ(ConvShape(3, 1, 2, 2), "9 same");
  EXPECT_EQ(ConvShape(3, 1, 1, 0), "7 other");
  EXPECT_EQ(ConvShape(4, 2, 1, 1), "4 other");
}

}  // namespace
}  // namespace ephemeralml::decompose
