#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {

// Stands for the engine's, which kernels only pass on.
struct PreparedGraph {
  float result;
};

namespace kernels {
namespace {

using testing::OpTester;
using testing::Value;

OpTester Branches() {
  OpTester test("If", 16);
  test.Attr("then_branch", std::make_shared<const PreparedGraph>(PreparedGraph{1}));
  test.Attr("else_branch", std::make_shared<const PreparedGraph>(PreparedGraph{2}));
  test.RunGraphWith([](const PreparedGraph& graph) -> Result<std::vector<Value>> {
    return std::vector<Value>{Value::Of<float>({1}, {graph.result})};
  });
  return test;
}

TEST(If, RunsTheBranchThatTheConditionNames) {
  Branches().Input<bool>({}, {true}).ExpectOutput<float>({1}, {1}).Run();
  Branches().Input<bool>({1}, {false}).ExpectOutput<float>({1}, {2}).Run();
}

TEST(If, RefusesConditionsThatAreNotOneBoolean) {
  Branches().Input<bool>({2}, {true, true}).ExpectError("input_invalid");
  Branches().Input<bool>({0}, {}).ExpectError("input_invalid");
  Branches().Input<uint8_t>({1}, {1}).ExpectError("input_invalid");
  Branches().NoInput().ExpectError("input_invalid");
}

TEST(If, NeedsBothBranches) {
  OpTester test("If", 16);
  test.Attr("then_branch", std::make_shared<const PreparedGraph>(PreparedGraph{1}));
  test.Input<bool>({}, {true}).ExpectError("attribute_invalid");
}

TEST(If, RefusesABranchThatMakesAnotherNumberOfOutputs) {
  Branches()
      .Input<bool>({}, {true})
      .ExpectOutput<float>({1}, {1})
      .ExpectOutput<float>({1}, {1})
      .ExpectError("topology_malformed");
}

}  // namespace
}  // namespace kernels
}  // namespace ephemeralml::engine
