#include "client/decompose/check_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/decompose/testing/models.h"
#include "client/decompose/testing/split_model.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;
using ::testing::HasSubstr;
using ::testing::Not;
using Proto = ::onnx::TensorProto;

// A model's refusal, or "accepted".
Error Verdict(const ModelBuilder& builder) {
  const auto split = Split(builder.Serialize());
  return split ? Error{Code::kInternal, "accepted", ""} : split.error();
}

// y = op(x, x, ...), with as many inputs as said.
std::string_view ReasonFor(const std::string& op, size_t inputs, int type) {
  ModelBuilder builder(20);
  builder.Input("x", {2, 2}, type).Output("y", {2, 2}, type);
  builder.Node(op, std::vector<std::string>(inputs, "x"), {"y"});
  return Verdict(builder).reason;
}

TEST(CheckTypes, DenseOperatorsTakeFloatsUpTo32BitsAlone) {
  for (const auto& [op, inputs] :
       std::vector<std::pair<std::string, size_t>>{{"Conv", 2},
                                                   {"ConvTranspose", 2},
                                                   {"Gemm", 3},
                                                   {"MatMul", 2},
                                                   {"LSTM", 3},
                                                   {"BatchNormalization", 5},
                                                   {"MaxPool", 1}}) {
    for (const int type : {Proto::FLOAT, Proto::FLOAT16, Proto::BFLOAT16}) {
      EXPECT_EQ(ReasonFor(op, inputs, type), "accepted") << op << " of type " << type;
    }
    for (const int type : {Proto::DOUBLE, Proto::INT64}) {
      EXPECT_EQ(ReasonFor(op, inputs, type), "type_unsupported") << op << " of type " << type;
    }
  }
}

TEST(CheckTypes, ArithmeticTakesNumbersAndMovementAnything) {
  EXPECT_EQ(ReasonFor("Add", 2, Proto::UINT16), "accepted");
  EXPECT_EQ(ReasonFor("Add", 2, Proto::FLOAT16), "accepted");
  EXPECT_EQ(ReasonFor("Add", 2, Proto::STRING), "type_unsupported");
  EXPECT_EQ(ReasonFor("Equal", 2, Proto::STRING), "accepted");
  EXPECT_EQ(ReasonFor("Relu", 1, Proto::INT8), "accepted");
  EXPECT_EQ(ReasonFor("Relu", 1, Proto::UINT8), "type_unsupported");
  EXPECT_EQ(ReasonFor("Sigmoid", 1, Proto::DOUBLE), "accepted");
  EXPECT_EQ(ReasonFor("Sigmoid", 1, Proto::INT32), "type_unsupported");
  EXPECT_EQ(ReasonFor("Equal", 2, Proto::BOOL), "accepted");
  EXPECT_EQ(ReasonFor("Greater", 2, Proto::BOOL), "type_unsupported");
  EXPECT_EQ(ReasonFor("Not", 1, Proto::BOOL), "accepted");
  EXPECT_EQ(ReasonFor("Not", 1, Proto::INT32), "type_unsupported");
  for (const int type :
       {Proto::BOOL, Proto::FLOAT16, Proto::BFLOAT16, Proto::UINT64, Proto::STRING}) {
    EXPECT_EQ(ReasonFor("Transpose", 1, type), "accepted");
    EXPECT_EQ(ReasonFor("Concat", 2, type), "accepted");
  }
}

TEST(CheckTypes, NamesEveryNodeOnceAndNoneThatIsFine) {
  ModelBuilder builder;
  builder.Input("x", {2, 2}, Proto::DOUBLE).Output("y", {2, 2}, Proto::DOUBLE);
  builder.Node("MatMul", {"x", "x"}, {"a"})->set_name("first-product");
  builder.Node("Transpose", {"a"}, {"b"})->set_name("fine");
  builder.Node("MatMul", {"b", "b"}, {"y"})->set_name("second-product");
  const Error error = Verdict(builder);
  EXPECT_EQ(error.reason, "type_unsupported");
  EXPECT_THAT(error.what, HasSubstr("first-product"));
  EXPECT_THAT(error.what, HasSubstr("second-product"));
  EXPECT_THAT(error.what, HasSubstr("double"));
  EXPECT_THAT(error.what, Not(HasSubstr("fine")));
}

TEST(CheckTypes, FollowsCasts) {
  ModelBuilder builder;
  builder.Input("x", {2, 2}, Proto::INT32).Output("y", {2, 2});
  AddInt(builder.Node("Cast", {"x"}, {"a"}), "to", Proto::FLOAT);
  builder.Node("MatMul", {"a", "a"}, {"y"});
  EXPECT_EQ(Verdict(builder).reason, "accepted");
  builder.get()->mutable_node(0)->mutable_attribute(0)->set_i(Proto::DOUBLE);
  EXPECT_EQ(Verdict(builder).reason, "type_unsupported");
  // Types that don't exist are the kernel's to refuse.
  builder.get()->mutable_node(0)->mutable_attribute(0)->set_i(int64_t{1} << 40);
  EXPECT_EQ(Verdict(builder).reason, "accepted");
}

TEST(CheckTypes, SmallTypesAreMovedCastAndDequantizedAlone) {
  constexpr int kFloat8E4M3FN = 17;  // newer than Debian's ONNX
  constexpr int kInt2 = 26;
  for (int type = kFloat8E4M3FN; type <= kInt2; ++type) {
    EXPECT_EQ(ReasonFor("Transpose", 1, type), "accepted") << type;
    EXPECT_EQ(ReasonFor("Add", 2, type), "type_unsupported") << type;
    EXPECT_EQ(ReasonFor("Sigmoid", 1, type), "type_unsupported") << type;
  }
  ModelBuilder builder(23);
  builder.Input("x", {2, 2}, kFloat8E4M3FN).Input("scale", {}, Proto::FLOAT).Output("y", {2, 2});
  ::onnx::NodeProto* node = builder.Node("DequantizeLinear", {"x", "scale"}, {"a"});
  builder.Node("MatMul", {"a", "a"}, {"y"});
  EXPECT_EQ(Verdict(builder).reason, "accepted");
  AddInt(node, "output_dtype", Proto::DOUBLE);
  EXPECT_EQ(Verdict(builder).reason, "type_unsupported");
}

TEST(CheckTypes, FollowsShapesAndComparisons) {
  ModelBuilder builder;
  builder.Input("x", {2, 2}).Output("y", {2});
  builder.Node("Shape", {"x"}, {"a"});
  builder.Node("Equal", {"a", "a"}, {"b"});
  builder.Node("Where", {"b", "a", "a"}, {"c"});
  builder.Node("Sqrt", {"c"}, {"y"});
  EXPECT_EQ(Verdict(builder).reason, "type_unsupported");
  builder.get()->mutable_node(3)->set_op_type("Abs");
  EXPECT_EQ(Verdict(builder).reason, "accepted");
  builder.get()->mutable_node(2)->set_input(0, "a");
  EXPECT_EQ(Verdict(builder).reason, "type_unsupported");
}

TEST(CheckTypes, LooksAtWeightsIntoBranchesAndOutOfThem) {
  ModelBuilder builder;
  builder.Input("c", {}, Proto::BOOL).Input("x", {2, 2}).Output("y", {2, 2});
  FillInts(builder.get()->add_initializer(), {2, 2}, {1, 2, 3, 4});
  builder.get()->mutable_initializer(0)->set_name("w");
  auto* node = builder.Node("If", {"c"}, {"a"});
  AddGraph(node, "then_branch").Output("r", {2, 2}).Node("MatMul", {"x", "w"}, {"r"});
  AddGraph(node, "else_branch").Output("s", {2, 2}).Node("Identity", {"x"}, {"s"});
  builder.Node("Relu", {"a"}, {"y"});
  EXPECT_EQ(Verdict(builder).reason, "type_unsupported");
  auto* then_branch = node->mutable_attribute(0)->mutable_g();
  then_branch->mutable_node(0)->set_op_type("Equal");
  then_branch->mutable_node(0)->set_input(0, "w");
  EXPECT_EQ(Verdict(builder).reason, "type_unsupported");  // Relu of booleans
  then_branch->mutable_node(0)->set_op_type("Add");
  EXPECT_EQ(Verdict(builder).reason, "accepted");
}

}  // namespace
}  // namespace ephemeralml::decompose
