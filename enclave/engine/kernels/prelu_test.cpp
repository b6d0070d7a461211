#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

TEST(PRelu, TakesASlopeForEachChannel) {
  OpTester("PRelu")
      .Input<float>({1, 2, 2}, {-1, 2, -3, 4})
      .Weight<float>({2, 1}, {0.5f, 0.1f})
      .ExpectOutput<float>({1, 2, 2}, {-0.5f, 2, -0.3f, 4})
      .Run();
}

TEST(PRelu, TakesOneSlopeAndDoubles) {
  OpTester("PRelu")
      .Input<double>({3}, {-4, 0, 4})
      .Input<double>({1}, {0.25})
      .ExpectOutput<double>({3}, {-1, 0, 4})
      .Run();
  OpTester("PRelu")
      .Input<float>({0, 2}, {})
      .Input<float>({2}, {1, 1})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

TEST(PRelu, RefusesASlopeLargerThanTheInput) {
  OpTester("PRelu").Input<float>({1}, {1}).Input<float>({2}, {1, 1}).ExpectError("shape_invalid");
  OpTester("PRelu")
      .Input<float>({1, 2}, {1, 1})
      .Input<float>({3, 2}, {1, 1, 1, 1, 1, 1})
      .ExpectError("shape_invalid");
}

TEST(PRelu, RefusesOtherTypes) {
  OpTester("PRelu").Input<int32_t>({1}, {1}).Input<int32_t>({1}, {1}).ExpectError(
      "type_unsupported");
  OpTester("PRelu").Input<float>({1}, {1}).Input<double>({1}, {1}).ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
