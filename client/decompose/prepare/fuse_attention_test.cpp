#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "client/decompose/testing/prepared_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr float kRootOfDepth = 2.8284271F;

// What a test may change: four heads of eight.
struct Form {
  std::vector<int64_t> value_split = {0, 0, 4, 8};
  std::vector<int64_t> key_order = {0, 2, 3, 1};
  std::vector<int64_t> back_order = {0, 2, 1, 3};
  std::vector<std::string> mask_dims = {"b", "1", "1", "s"};
  std::vector<std::string> key_dims = {"b", "s", "32"};
  std::string scaling = "Div";
  float root = kRootOfDepth;
  bool in_bfloat16 = false;
  bool scales_query = false;
  bool divides_the_mask = false;
  int64_t axis = -1;
};

void AddInput(ModelBuilder& builder, const std::string& name,
              const std::vector<std::string>& dims) {
  builder.Input(name, std::vector<int64_t>(dims.size(), 1));
  auto* shape = builder.get()
                    ->mutable_input(builder.get()->input_size() - 1)
                    ->mutable_type()
                    ->mutable_tensor_type()
                    ->mutable_shape();
  for (size_t i = 0; i < dims.size(); ++i) {
    auto* dim = shape->mutable_dim(static_cast<int>(i));
    const bool is_number = std::isdigit(static_cast<unsigned char>(dims[i][0])) != 0;
    is_number ? dim->set_dim_value(std::stoll(dims[i])) : dim->set_dim_param(dims[i]);
  }
}

void AddHeads(ModelBuilder& builder, const std::string& name, const std::string& split,
              const std::vector<int64_t>& order) {
  builder.Node("Reshape", {name, split}, {name + "_heads"});
  AddInts(builder.Node("Transpose", {name + "_heads"}, {name + "_moved"}), "perm", order);
}

PreparedModel Prepared(const Form& form) {
  ModelBuilder builder(13);
  AddInput(builder, "q", {"b", "s", "32"});
  AddInput(builder, "k", form.key_dims);
  AddInput(builder, "v", form.key_dims);
  AddInput(builder, "mask", form.mask_dims);
  builder.Output("y", {-1, -1, 32});
  builder.Floats("root", {}, {form.root});
  builder.Ints("split", {4}, {0, 0, 4, 8});
  builder.Ints("value_split", {4}, form.value_split);
  builder.Ints("join", {3}, {0, 0, 32});
  AddHeads(builder, "q", "split", {0, 2, 1, 3});
  AddHeads(builder, "k", "split", form.key_order);
  AddHeads(builder, "v", "value_split", {0, 2, 1, 3});
  builder.Node(form.scaling, {"q_moved", "root"}, {"q_scaled"});
  builder.Node("MatMul", {form.scales_query ? "q_scaled" : "q_moved", "k_moved"}, {"qk"});
  builder.Node(form.scaling, {"qk", "root"}, {"qk_scaled"});
  const std::string product = form.scales_query || form.divides_the_mask ? "qk" : "qk_scaled";
  builder.Node("Add", {product, "mask"}, {"masked"});
  builder.Node("Div", {"masked", "root"}, {"divided"});
  AddInt(builder.Node("Softmax", {form.divides_the_mask ? "divided" : "masked"}, {"a"}), "axis",
         form.axis);
  builder.Node("MatMul", {"a", "v_moved"}, {"av"});
  AddInts(builder.Node("Transpose", {"av"}, {"back"}), "perm", form.back_order);
  builder.Node("Reshape", {"back", "join"}, {"y"});
  return PreparedModel(builder, form.in_bfloat16);
}

TEST(FuseAttention, FindsMaskedAttention) {
  const PreparedModel model = Prepared({});
  EXPECT_THAT(model.Operators(), ElementsAre("our Attention"));
  EXPECT_THAT(model.InputsOf("Attention"), ElementsAre("q", "k", "v", "mask"));
  EXPECT_EQ(IntAttribute(model.NodeOf("Attention"), "heads"), 4);
  EXPECT_EQ(FloatAttribute(model.NodeOf("Attention"), "scale"), 1 / kRootOfDepth);
}

TEST(FuseAttention, AsksForBfloat16WhereThatIsWanted) {
  Form form;
  EXPECT_EQ(StringAttribute(Prepared(form).NodeOf("Attention"), "compute"), std::nullopt);
  form.in_bfloat16 = true;
  EXPECT_EQ(StringAttribute(Prepared(form).NodeOf("Attention"), "compute"), "bfloat16");
}

TEST(FuseAttention, FindsTheScaleWhereverItStands) {
  Form form;
  form.scales_query = true;
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our Attention"));
  form.scaling = "Mul";
  form.root = 1 / kRootOfDepth;
  const PreparedModel model = Prepared(form);
  EXPECT_THAT(model.Operators(), ElementsAre("our Attention"));
  EXPECT_EQ(FloatAttribute(model.NodeOf("Attention"), "scale"), 1 / kRootOfDepth);
}

TEST(FuseAttention, TakesKeysAndValuesOfAnotherLength) {
  Form form;
  form.key_dims = {"b", "t", "32"};
  form.mask_dims = {"s", "t"};
  EXPECT_THAT(Prepared(form).Operators(), ElementsAre("our Attention"));
}

TEST(FuseAttention, LeavesWhatOnlyLooksLikeIt) {
  const auto is_left = [](const std::function<void(Form&)>& change) {
    Form form;
    change(form);
    EXPECT_THAT(Prepared(form).Operators(), Contains("Softmax"));
  };
  is_left([](Form& form) { form.axis = 2; });
  is_left([](Form& form) { form.value_split = {0, 0, 8, 4}; });
  is_left([](Form& form) { form.key_order = {0, 2, 1, 3}; });
  is_left([](Form& form) { form.back_order = {0, 1, 2, 3}; });
  is_left([](Form& form) { form.divides_the_mask = true; });
  // A scale that may have been learned.
  is_left([](Form& form) { form.root = 2.8285F; });
  // Batches that may be broadcast, and a mask that may make the scores larger.
  is_left([](Form& form) { form.key_dims = {"c", "s", "32"}; });
  is_left([](Form& form) { form.mask_dims = {"c", "1", "1", "s"}; });
  is_left([](Form& form) { form.mask_dims = {"1", "b", "1", "1", "s"}; });
  is_left([](Form& form) { form.mask_dims = {"s", "1"}; });
}

}  // namespace
}  // namespace ephemeralml::decompose
