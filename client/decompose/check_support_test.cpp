#include "client/decompose/check_support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/models.h"
#include "client/decompose/testing/split_model.h"
#include "common/operators/operators.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::HasSubstr;
using ::testing::Not;

// y = op(x), and whatever a test adds.
class CheckSupportTest : public ::testing::Test {
 protected:
  CheckSupportTest() { builder_.Input("x", {2}).Output("y", {2}); }

  Error Refusal() { return Refusal(builder_); }
  static Error Refusal(const ModelBuilder& builder) {
    bool written = false;
    const auto sink = [&](ByteSpan) -> Done {
      written = true;
      return {};
    };
    const auto report = DecomposeBytes(builder.Serialize(), sink);
    EXPECT_EQ(written, report.has_value()) << "something was written before the refusal";
    return report ? Error{Code::kInternal, "accepted", ""} : report.error();
  }

  ModelBuilder builder_{17};
};

TEST_F(CheckSupportTest, NamesEveryUnsupportedOperatorAndItsNodes) {
  builder_.Node("Foo", {"x"}, {"a"})->set_name("first-foo");
  builder_.Node("Bar", {"a"}, {"b"});
  builder_.Node("Relu", {"b"}, {"c"})->set_name("fine");
  auto* last = builder_.Node("Foo", {"c"}, {"y"});
  last->set_name("second-foo");
  const Error error = Refusal();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_EQ(error.reason, "operator_unsupported");
  for (const char* name : {"Foo-17", "first-foo", "second-foo", "Bar-17", "'b'"}) {
    EXPECT_THAT(error.what, HasSubstr(name));
  }
  EXPECT_THAT(error.what, Not(HasSubstr("fine")));
}

TEST_F(CheckSupportTest, LooksIntoSubgraphs) {
  builder_.Input("c", {}, ::onnx::TensorProto::BOOL);
  auto* branch = builder_.Node("If", {"c"}, {"y"});
  AddGraph(branch, "then_branch").Output("r", {2}).Node("Relu", {"x"}, {"r"});
  AddGraph(branch, "else_branch").Output("s", {2}).Node("Hidden", {"x"}, {"s"});
  const Error error = Refusal();
  EXPECT_EQ(error.reason, "operator_unsupported");
  EXPECT_THAT(error.what, HasSubstr("Hidden-17"));
}

TEST_F(CheckSupportTest, NamesCausesOfEveryKindAtOnce) {
  builder_.Input("s", {2}, ::onnx::TensorProto::COMPLEX64);
  builder_.Node("Foo", {"x", "s"}, {"a"});
  auto* node = builder_.Node("Relu", {"a"}, {"y"});
  AddInts(node, "many", std::vector<int64_t>(kMostInlineElements + 1));
  const Error error = Refusal();
  EXPECT_EQ(error.reason, "operator_unsupported");
  EXPECT_THAT(error.what, HasSubstr("Foo-17"));
  EXPECT_THAT(error.what, HasSubstr("'many'"));
  EXPECT_THAT(error.what, HasSubstr("input 's' (element type 14)"));
}

TEST_F(CheckSupportTest, KnowsOperatorsByDomainAndVersion) {
  auto* set = builder_.model().add_opset_import();
  set->set_domain("com.example");
  set->set_version(1);
  builder_.Node("Relu", {"x"}, {"y"})->set_domain("com.example");
  EXPECT_THAT(Refusal().what, HasSubstr("com.example::Relu-1"));
  ModelBuilder old(6);  // Erf came later
  old.Input("x", {2}).Output("y", {2});
  old.Node("Erf", {"x"}, {"y"});
  EXPECT_THAT(Refusal(old).what, HasSubstr("Erf-6"));
}

// Its operators are hostile input to the engine like any other, but what they take is packed.
TEST_F(CheckSupportTest, RefusesTheDomainOfOurOwnOperators) {
  builder_.Node("Relu", {"x"}, {"y"});
  auto* set = builder_.model().add_opset_import();
  set->set_domain("ephemeralml");
  set->set_version(1);
  EXPECT_EQ(Refusal().reason, "domain_reserved");
  builder_.model().mutable_opset_import()->RemoveLast();
  builder_.get()->mutable_node(0)->set_domain("ephemeralml");
  EXPECT_EQ(Refusal().reason, "domain_reserved");
}

TEST_F(CheckSupportTest, AcceptsBothSpellingsOfTheDefaultDomain) {
  builder_.model().mutable_opset_import(0)->set_domain("ai.onnx");
  builder_.Node("Relu", {"x"}, {"a"})->set_domain("ai.onnx");
  builder_.Node("Relu", {"a"}, {"y"});
  EXPECT_EQ(Refusal().reason, "accepted");
}

TEST_F(CheckSupportTest, RefusesOperatorSetsThatAreTooNewByNumber) {
  ModelBuilder newest(operators::kNewestOpset);
  newest.Input("x", {2}).Output("y", {2}).Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Refusal(newest).reason, "accepted");
  ModelBuilder newer(operators::kNewestOpset + 1);
  newer.Input("x", {2}).Output("y", {2}).Node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Refusal(newer).reason, "opset_unsupported");
  EXPECT_THAT(Refusal(newer).what, HasSubstr(std::to_string(operators::kNewestOpset + 1)));
}

TEST_F(CheckSupportTest, RefusesADomainWithoutAVersionOrWithTwo) {
  builder_.Node("Relu", {"x"}, {"y"});
  builder_.model().add_opset_import()->set_version(16);
  EXPECT_EQ(Refusal().reason, "graph_invalid");
  builder_.model().clear_opset_import();
  EXPECT_EQ(Refusal().reason, "graph_invalid");
}

// Outside of a function there is no call to take the value from.
TEST_F(CheckSupportTest, RefusesReferencesToAttributesOfNoFunction) {
  AddFloat(builder_.Node("LeakyRelu", {"x"}, {"y"}), "alpha", 1)->set_ref_attr_name("slope");
  EXPECT_EQ(Refusal().reason, "attribute_unsupported");
}

TEST_F(CheckSupportTest, RefusesInputsThatArentTensorsOfNumbers) {
  builder_.Node("Relu", {"x"}, {"y"});
  auto* input = builder_.get()->mutable_input(0);
  for (const int type : {0, 8, 14, 99}) {
    input->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    EXPECT_EQ(Refusal().reason, "type_unsupported") << type;
  }
  input->mutable_type()->mutable_sequence_type();
  EXPECT_EQ(Refusal().reason, "type_unsupported");
  input->clear_type();
  EXPECT_EQ(Refusal().reason, "type_unsupported");
}

TEST_F(CheckSupportTest, RefusesWeightsThatArentNumbers) {
  builder_.Node("Add", {"x", "w"}, {"y"});
  auto* tensor = builder_.Floats("w", {2}, {1, 2});
  tensor->set_data_type(::onnx::TensorProto::STRING);
  EXPECT_EQ(Refusal().reason, "type_unsupported");
  builder_.get()->clear_initializer();
  builder_.get()->add_sparse_initializer()->mutable_values()->set_name("w");
  EXPECT_EQ(Refusal().reason, "type_unsupported");
}

TEST_F(CheckSupportTest, RefusesConstantsThatArentNumbers) {
  AddString(builder_.Node("Constant", {}, {"c"}), "value_string", "text");
  builder_.Node("Add", {"x", "c"}, {"y"});
  EXPECT_EQ(Refusal().reason, "attribute_unsupported");
}

// A key must not hold weights, whichever way an exporter found to write them.
TEST_F(CheckSupportTest, RefusesAttributesThatHoldMoreThanAFewElements) {
  const auto outcome = [](size_t count) {
    ModelBuilder builder;
    builder.Input("x", {2}).Output("y", {2});
    FillFloats(AddTensor(builder.Node("Relu", {"x"}, {"y"}), "value"),
               {static_cast<int64_t>(count)}, Counting(count));
    return Refusal(builder).reason;
  };
  EXPECT_EQ(outcome(kMostInlineElements), "accepted");
  EXPECT_EQ(outcome(kMostInlineElements + 1), "attribute_unsupported");
}

TEST_F(CheckSupportTest, RefusesAttributeKindsItCantCarry) {
  auto* attribute = builder_.Node("Relu", {"x"}, {"y"})->add_attribute();
  attribute->set_name("odd");
  for (const auto type : {::onnx::AttributeProto::TENSORS, ::onnx::AttributeProto::GRAPHS,
                          ::onnx::AttributeProto::SPARSE_TENSOR, ::onnx::AttributeProto::TYPE_PROTO,
                          ::onnx::AttributeProto::UNDEFINED, ::onnx::AttributeProto::GRAPH,
                          ::onnx::AttributeProto::TENSOR}) {
    attribute->set_type(type);
    EXPECT_EQ(Refusal().reason, "attribute_unsupported") << type;
  }
}

TEST_F(CheckSupportTest, RefusesAnAttributeGivenTwice) {
  auto* node = builder_.Node("Relu", {"x"}, {"y"});
  AddInt(node, "same", 1);
  AddInt(node, "same", 2);
  EXPECT_EQ(Refusal().reason, "graph_invalid");
}

// A key's strings are UTF-8: others would be refused where it is read, which is too late.
TEST_F(CheckSupportTest, RefusesNamesThatAreNoText) {
  const auto outcome = [](const std::string& name) {
    ModelBuilder builder;
    builder.Input("x", {2}).Output(name, {2});
    builder.Node("Relu", {"x"}, {name});
    return Refusal(builder).reason;
  };
  for (const char* name : {"plain", "\u00fc", "\u20ac", "\U0001F600"}) {
    EXPECT_EQ(outcome(name), "accepted");
  }
  for (const char* name : {"\x80", "\xC3", "\xC0\x80", "\xE2\x82", "\xED\xA0\x80",
                           "\xF5\x80\x80\x80", "\xF0\x80\x80\x80", "\xFF", "a\xC3z"}) {
    EXPECT_EQ(outcome(name), "graph_invalid");
  }
  AddInt(builder_.Node("Relu", {"x"}, {"y"}), "\xFF", 1);
  EXPECT_EQ(Refusal().reason, "graph_invalid");
}

TEST_F(CheckSupportTest, RefusesDamagedWeightsBeforeAnythingIsWritten) {
  builder_.Floats("good", {2}, {1, 2});
  builder_.Floats("bad", {2}, {1, 2})->set_raw_data("1234");
  builder_.Node("Add", {"x", "good"}, {"a"});
  builder_.Node("Add", {"a", "bad"}, {"y"});
  EXPECT_EQ(Refusal().reason, "tensor_invalid");
  EXPECT_THAT(Refusal().what, HasSubstr("bad"));
}

}  // namespace
}  // namespace ephemeralml::decompose
