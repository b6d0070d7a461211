#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::Contains;
using ::testing::ElementsAre;

enum class End { kDiv, kReciprocal, kOneOver };

// What a test may change.
struct Form {
  std::vector<int64_t> first_axes = {-1};
  std::vector<int64_t> second_axes = {-1};
  int64_t keepdims = 1;
  float exponent = 2;
  float epsilon = 1e-12F;
  bool square_by_product = false;
  std::string mean_of = "x";
  int64_t x_columns = 8;
  int64_t scale_columns = 8;
  std::string bias = "bias";
  End end = End::kDiv;
};

void AddEnd(ModelBuilder& builder, End end) {
  if (end == End::kDiv) {
    builder.Node("Div", {"d", "deviation"}, {"normalized"});
    return;
  }
  if (end == End::kReciprocal) builder.Node("Reciprocal", {"deviation"}, {"r"});
  if (end == End::kOneOver) builder.Node("Div", {"one", "deviation"}, {"r"});
  builder.Node("Mul", {"d", "r"}, {"normalized"});
}

PreparedModel Prepared(const Form& form, int64_t opset = 13) {
  ModelBuilder builder(opset);
  builder.Input("x", {-1, 4, form.x_columns}).Input("other", {-1, 4, form.x_columns});
  builder.Output("y", {-1, 4, 8});
  builder.Floats("two", {}, {form.exponent});
  builder.Floats("one", {}, {1});
  builder.Floats("epsilon", {}, {form.epsilon});
  const auto columns = static_cast<size_t>(form.scale_columns);
  builder.Floats("scale", {form.scale_columns}, Counting(columns));
  builder.Floats("bias", {form.scale_columns}, Counting(columns));
  auto* first = builder.Node("ReduceMean", {form.mean_of}, {"mean"});
  AddInts(first, "axes", form.first_axes);
  AddInt(first, "keepdims", form.keepdims);
  builder.Node("Sub", {"x", "mean"}, {"d"});
  if (form.square_by_product) {
    builder.Node("Mul", {"d", "d"}, {"squares"});
  } else {
    builder.Node("Pow", {"d", "two"}, {"squares"});
  }
  AddInts(builder.Node("ReduceMean", {"squares"}, {"variance"}), "axes", form.second_axes);
  builder.Node("Add", {"variance", "epsilon"}, {"sum"});
  builder.Node("Sqrt", {"sum"}, {"deviation"});
  AddEnd(builder, form.end);
  builder.Node("Mul", {"normalized", "scale"}, {"scaled"});
  builder.Node("Add", {"scaled", form.bias}, {"y"});
  return PreparedModel(builder);
}

TEST(FuseLayerNormalization, FindsItsSpelledOutForms) {
  Form form;
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our LayerNormalization"));
  form.square_by_product = true;
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our LayerNormalization"));
  form.first_axes = form.second_axes = {2};
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our LayerNormalization"));
  form.end = End::kReciprocal;
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our LayerNormalization"));
  form.end = End::kOneOver;
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our LayerNormalization"));
}

TEST(FuseLayerNormalization, KeepsParametersAndEpsilon) {
  const PreparedModel model = Prepared({});
  EXPECT_THAT(model.InputsOf("LayerNormalization"), ElementsAre("x", "scale", "bias"));
  EXPECT_EQ(FloatAttribute(model.NodeOf("LayerNormalization"), "epsilon"), 1e-12F);
  EXPECT_EQ(IntAttribute(model.NodeOf("LayerNormalization"), "axis"), -1);
}

TEST(FuseLayerNormalization, LeavesABiasThatIsNoParameterOutside) {
  Form form;
  form.bias = "other";
  const PreparedModel model = Prepared(form);
  EXPECT_THAT(model.Operators(), ElementsAre("our LayerNormalization", "Add"));
  EXPECT_THAT(model.InputsOf("LayerNormalization"), ElementsAre("x", "scale"));
}

TEST(FuseLayerNormalization, LeavesWhatOnlyLooksLikeIt) {
  const auto is_left = [](const Form& form) {
    EXPECT_THAT(Prepared(form).Operators(), Contains("Sqrt"));
  };
  Form form;
  form.first_axes = {1};
  is_left(form);
  form = {};
  form.second_axes = {1, 2};
  is_left(form);
  form = {};
  form.exponent = 3;
  is_left(form);
  form = {};
  form.mean_of = "other";
  is_left(form);
  form = {};
  form.epsilon = 1.37e-5F;  // it may have been learned
  is_left(form);
  form = {};
  form.scale_columns = 1;  // broadcast, where LayerNormalization has one parameter a column
  is_left(form);
  form = {};
  form.x_columns = 1;  // the result is wider than x
  is_left(form);
  form = {};
  form.x_columns = -1;  // it may be
  is_left(form);
}

TEST(FuseLayerNormalization, ReadsAxesWhereTheOpsetHasThem) {
  // From version 18 on the attribute means nothing, and all axes are reduced.
  EXPECT_THAT(Prepared({}, 18).Operators(), Contains("Sqrt"));
}

}  // namespace
}  // namespace ephemeralml::decompose
