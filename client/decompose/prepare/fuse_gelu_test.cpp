#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::Contains;
using ::testing::ElementsAre;

constexpr float kRootOfTwo = 1.41421356F;

// The names of what a test may change.
struct Parts {
  std::vector<int64_t> scalar_dims;
  float root = kRootOfTwo;
  float one = 1;
  float half = 0.5F;
  std::string outer_x = "x";
};

ModelBuilder& AddScalars(ModelBuilder& builder, const Parts& parts) {
  builder.Input("x", {-1, 8}).Input("other", {-1, 8}).Output("y", {-1, 8});
  builder.Floats("root", parts.scalar_dims, {parts.root});
  builder.Floats("inverse", parts.scalar_dims, {1 / parts.root});
  builder.Floats("one", parts.scalar_dims, {parts.one});
  builder.Floats("half", parts.scalar_dims, {parts.half});
  return builder;
}

std::vector<std::string> ByErf(const Parts& parts) {
  ModelBuilder builder;
  AddScalars(builder, parts);
  builder.Node("Div", {"x", "root"}, {"a"});
  builder.Node("Erf", {"a"}, {"b"});
  builder.Node("Add", {"b", "one"}, {"c"});
  builder.Node("Mul", {parts.outer_x, "c"}, {"d"});
  builder.Node("Mul", {"d", "half"}, {"y"});
  return PreparedModel(builder).Operators();
}

TEST(FuseGelu, FindsTheErrorFunctionsForm) {
  EXPECT_THAT(ByErf({}), ElementsAre("our Gelu"));
  EXPECT_THAT(ByErf({.scalar_dims = {1}}), ElementsAre("our Gelu"));
  EXPECT_THAT(ByErf({.scalar_dims = {}, .root = 1.4142135F}), ElementsAre("our Gelu"));
}

TEST(FuseGelu, FindsTheHalfInAnyPlace) {
  ModelBuilder before;
  AddScalars(before, {});
  before.Node("Mul", {"inverse", "x"}, {"a"});
  before.Node("Erf", {"a"}, {"b"});
  before.Node("Add", {"one", "b"}, {"c"});
  before.Node("Mul", {"half", "x"}, {"d"});
  before.Node("Mul", {"d", "c"}, {"y"});
  EXPECT_THAT(PreparedModel(before).Operators(), ElementsAre("our Gelu"));
  ModelBuilder within;
  AddScalars(within, {});
  within.Node("Div", {"x", "root"}, {"a"});
  within.Node("Erf", {"a"}, {"b"});
  within.Node("Add", {"b", "one"}, {"c"});
  within.Node("Mul", {"c", "half"}, {"d"});
  within.Node("Mul", {"x", "d"}, {"y"});
  const PreparedModel model(within);
  EXPECT_THAT(model.Operators(), ElementsAre("our Gelu"));
  EXPECT_THAT(model.InputsOf("Gelu"), ElementsAre("x"));
  EXPECT_EQ(StringAttribute(model.NodeOf("Gelu"), "approximate"), "none");
}

TEST(FuseGelu, LeavesWhatOnlyLooksLikeIt) {
  const size_t unfused = 5;
  EXPECT_EQ(ByErf({.scalar_dims = {}, .root = 1.4142F}).size(), unfused);
  EXPECT_EQ(ByErf({.scalar_dims = {}, .root = kRootOfTwo, .one = 1.001F}).size(), unfused);
  EXPECT_EQ(ByErf({.scalar_dims = {}, .root = kRootOfTwo, .one = 1, .half = 0.51F}).size(),
            unfused);
  EXPECT_EQ(
      ByErf({.scalar_dims = {}, .root = kRootOfTwo, .one = 1, .half = 0.5F, .outer_x = "other"})
          .size(),
      unfused);
  // Three axes of one make the result's rank three.
  EXPECT_EQ(ByErf({.scalar_dims = {1, 1, 1}}).size(), unfused);
}

// What else uses a part keeps it; the Gelu needn't wait for that.
TEST(FuseGelu, LeavesAPartThatIsAnOutput) {
  ModelBuilder builder;
  AddScalars(builder, {});
  builder.Output("d", {-1, 8});
  builder.Node("Div", {"x", "root"}, {"a"});
  builder.Node("Erf", {"a"}, {"b"});
  builder.Node("Add", {"b", "one"}, {"c"});
  builder.Node("Mul", {"x", "c"}, {"d"});
  builder.Node("Mul", {"d", "half"}, {"y"});
  EXPECT_THAT(PreparedModel(builder).Operators(), ElementsAre("Div", "Erf", "Add", "Mul", "Mul"));
}

std::vector<std::string> ByTanh(float cube, bool by_products, float exponent = 3) {
  ModelBuilder builder;
  AddScalars(builder, {});
  builder.Floats("factor", {}, {std::sqrt(2 / 3.14159265F)});
  builder.Floats("cube", {}, {cube});
  builder.Floats("three", {}, {exponent});
  if (by_products) {
    builder.Node("Mul", {"x", "x"}, {"square"});
    builder.Node("Mul", {"x", "square"}, {"power"});
  } else {
    builder.Node("Pow", {"x", "three"}, {"power"});
  }
  builder.Node("Mul", {"cube", "power"}, {"a"});
  builder.Node("Add", {"x", "a"}, {"b"});
  builder.Node("Mul", {"b", "factor"}, {"c"});
  builder.Node("Tanh", {"c"}, {"d"});
  builder.Node("Add", {"d", "one"}, {"e"});
  builder.Node("Mul", {"half", "x"}, {"f"});
  builder.Node("Mul", {"f", "e"}, {"y"});
  const PreparedModel model(builder);
  if (model.Operators().size() == 1) {
    EXPECT_EQ(StringAttribute(model.NodeOf("Gelu"), "approximate"), "tanh");
  }
  return model.Operators();
}

TEST(FuseGelu, FindsTheTanhForm) {
  EXPECT_THAT(ByTanh(0.044715F, false), ElementsAre("our Gelu"));
  EXPECT_THAT(ByTanh(0.044715F, true), ElementsAre("our Gelu"));
  EXPECT_THAT(ByTanh(0.0447F, false), Contains("Tanh"));
  EXPECT_THAT(ByTanh(0.044715F, false, 2), Contains("Tanh"));
}

}  // namespace
}  // namespace ephemeralml::decompose
