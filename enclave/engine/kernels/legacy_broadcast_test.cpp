// Operators of two operands before version 7, where an attribute says at which axis they meet.

#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

TEST(LegacyBroadcast, MeetsAtTheAxis) {
  OpTester add("Add", 6);
  add.Attr("broadcast", 1).Attr("axis", 0).Input<float>({2, 2}, {1, 2, 3, 4});
  add.Input<float>({2}, {10, 20}).ExpectOutput<float>({2, 2}, {11, 12, 23, 24}).Run();
  OpTester pow("Pow", 1);
  pow.Attr("broadcast", 1).Attr("axis", 0).Input<float>({2, 2}, {1, 2, 3, 4});
  pow.Input<float>({2}, {1, 2}).ExpectOutput<float>({2, 2}, {1, 2, 9, 16}).Run();
  OpTester slope("PRelu", 6);
  slope.Input<float>({1, 2, 2}, {-1, 1, -1, 1}).Input<float>({2}, {2, 3});
  slope.ExpectOutput<float>({1, 2, 2}, {-2, 1, -3, 1}).Run();
}

TEST(LegacyBroadcast, IsNotThereFromVersion7On) {
  OpTester add("Add", 7);
  add.Attr("axis", 0).Input<float>({2, 2}, {1, 2, 3, 4}).Input<float>({2}, {10, 20});
  add.ExpectOutput<float>({2, 2}, {11, 22, 13, 24}).Run();
}

TEST(LegacyBroadcast, RefusesAnAxisThatLeavesNoRoom) {
  for (const auto& [axis, reason] :
       {std::pair<int, const char*>{2, "shape_invalid"}, {3, "attribute_invalid"}}) {
    OpTester test("Mul", 6);
    test.Attr("axis", axis).Input<float>({2, 2}, {1, 2, 3, 4}).Input<float>({2}, {1, 2});
    test.ExpectError(reason);
  }
}

}  // namespace
}  // namespace ephemeralml::engine
