#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

void ExpectTable(const char* op, const std::vector<bool>& expected) {
  OpTester(op)
      .Input<bool>({2, 1}, {false, true})
      .Input<bool>({2}, {false, true})
      .ExpectOutput<bool>({2, 2}, expected)
      .Run();
}

TEST(Logic, FollowsTheTruthTables) {
  ExpectTable("And", {false, false, false, true});
  ExpectTable("Or", {false, true, true, true});
  ExpectTable("Xor", {false, true, true, false});
  OpTester("Not").Input<bool>({2}, {false, true}).ExpectOutput<bool>({2}, {true, false}).Run();
}

TEST(Logic, TakesEmptyTensors) {
  OpTester("And").Input<bool>({0}, {}).Input<bool>({1}, {true}).ExpectOutput<bool>({0}, {}).Run();
  OpTester("Not").Input<bool>({0}, {}).ExpectOutput<bool>({0}, {}).Run();
}

TEST(Logic, RefusesWhatIsntBoolean) {
  OpTester("And").Input<int32_t>({1}, {1}).Input<int32_t>({1}, {1}).ExpectError("type_unsupported");
  OpTester("And").Input<bool>({1}, {true}).Input<int32_t>({1}, {1}).ExpectError("input_invalid");
  OpTester("Not").Input<uint8_t>({1}, {1}).ExpectError("type_unsupported");
  OpTester("Xor").Input<bool>({1}, {true}).ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
