#include "client/decompose/onnx/expand_functions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/onnx/read_model.h"
#include "client/decompose/testing/models.h"

namespace ephemeralml::onnx {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::ElementsAre;

// y = Twice(x): Twice doubles by adding and clips at an attribute.
class ExpandFunctionsTest : public ::testing::Test {
 protected:
  ExpandFunctionsTest() {
    builder_.Input("x", {2}).Output("y", {2});
    function_ = builder_.model().add_functions();
    function_->set_name("Twice");
    function_->set_domain("own");
    function_->add_input("a");
    function_->add_output("b");
    function_->add_attribute("slope");
    auto* add = function_->add_node();
    add->set_op_type("Add");
    for (int i = 0; i < 2; ++i) add->add_input("a");
    add->add_output("inner");
    auto* relu = function_->add_node();
    relu->set_op_type("LeakyRelu");
    relu->add_input("inner");
    relu->add_output("b");
    auto* alpha = relu->add_attribute();
    alpha->set_name("alpha");
    alpha->set_type(::onnx::AttributeProto::FLOAT);
    alpha->set_ref_attr_name("slope");
    auto* set = builder_.model().add_opset_import();
    set->set_domain("own");
    set->set_version(1);
  }

  ::onnx::NodeProto* Call(const std::string& from, const std::string& to) {
    auto* node = builder_.Node("Twice", {from}, {to});
    node->set_domain("own");
    return node;
  }
  Result<Model> Expanded() {
    bytes_ = builder_.Serialize();
    TRY(Model model, ReadModel(bytes_));
    TRY_OK(ExpandFunctions(model));
    return model;
  }
  std::string Reason() {
    const auto model = Expanded();
    return model ? "expanded" : std::string(model.error().reason);
  }

  ModelBuilder builder_;
  ::onnx::FunctionProto* function_;
  Bytes bytes_;
};

TEST_F(ExpandFunctionsTest, BindsNamesAndAttributesAtEachCall) {
  AddFloat(Call("x", "m"), "slope", 0.5f);
  Call("m", "y");
  const auto model = Expanded();
  ASSERT_TRUE(model) << model.error().what;
  const auto& nodes = model->graph.nodes;
  ASSERT_EQ(nodes.size(), 4U);
  EXPECT_THAT(nodes[0].inputs, ElementsAre("x", "x"));
  EXPECT_EQ(nodes[0].outputs, nodes[1].inputs);
  EXPECT_THAT(nodes[1].outputs, ElementsAre("m"));
  ASSERT_EQ(nodes[1].attributes.size(), 1U);
  EXPECT_EQ(nodes[1].attributes[0].name, "alpha");
  EXPECT_EQ(nodes[1].attributes[0].f, 0.5f);
  EXPECT_TRUE(nodes[3].attributes.empty());
  EXPECT_THAT(nodes[3].outputs, ElementsAre("y"));
  EXPECT_NE(nodes[0].outputs, nodes[2].outputs);
  EXPECT_TRUE(model->functions.empty());
}

TEST_F(ExpandFunctionsTest, PassesAnInputThatIsAnOutputOn) {
  function_->set_output(0, "a");
  Call("x", "y");
  const auto model = Expanded();
  ASSERT_TRUE(model);
  EXPECT_EQ(model->graph.nodes.back().op_type, "Identity");
  EXPECT_THAT(model->graph.nodes.back().outputs, ElementsAre("y"));
}

TEST_F(ExpandFunctionsTest, RefusesRecursionAndCallsThatDontFit) {
  Call("x", "y")->add_input("x");
  EXPECT_EQ(Reason(), "graph_invalid");
  builder_.get()->mutable_node(0)->mutable_input()->RemoveLast();
  EXPECT_EQ(Reason(), "expanded");
  function_->mutable_node(0)->set_op_type("Twice");
  function_->mutable_node(0)->set_domain("own");
  function_->mutable_node(0)->mutable_input()->RemoveLast();
  EXPECT_EQ(Reason(), "graph_invalid");
}

// Thirty functions that each call the next twice would be 2^30 nodes.
TEST_F(ExpandFunctionsTest, BoundsWhatCallsBecome) {
  for (int i = 0; i < 30; ++i) {
    auto* function = builder_.model().add_functions();
    function->set_domain("own");
    function->set_name("F" + std::to_string(i));
    function->add_input("a");
    function->add_output("b");
    for (const auto& [from, to] : {std::pair("a", "m"), std::pair("m", "b")}) {
      auto* node = function->add_node();
      node->set_domain("own");
      node->set_op_type(i == 29 ? "Twice" : "F" + std::to_string(i + 1));
      node->add_input(from);
      node->add_output(to);
    }
  }
  builder_.Node("F0", {"x"}, {"y"})->set_domain("own");
  EXPECT_EQ(Reason(), "onnx_too_large");
}

TEST_F(ExpandFunctionsTest, RefusesOtherVersionsOfOperatorSets) {
  Call("x", "y");
  auto* set = function_->add_opset_import();
  set->set_domain("");
  set->set_version(17);
  EXPECT_EQ(Reason(), "expanded");
  set->set_version(13);
  EXPECT_EQ(Reason(), "functions_unsupported");
}

}  // namespace
}  // namespace ephemeralml::onnx
