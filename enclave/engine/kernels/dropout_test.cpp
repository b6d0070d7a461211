#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

TEST(Dropout, KeepsEverything) {
  for (const int64_t opset : {7, 10, 12, 13}) {
    OpTester("Dropout", opset)
        .Input<float>({3}, {1, 2, 3})
        .ExpectOutput<float>({3}, {1, 2, 3})
        .Run();
  }
  OpTester("Dropout", 7)
      .Attr("ratio", 0.3f)
      .Input<float>({3}, {1, 2, 3})
      .ExpectOutput<float>({3}, {1, 2, 3})
      .Run();
  OpTester("Dropout", 13)
      .Input<float>({1}, {1})
      .Input<float>({}, {0.5f})
      .Input<bool>({}, {false})
      .ExpectOutput<float>({1}, {1})
      .Run();
}

TEST(Dropout, MakesAMaskOfOnes) {
  OpTester("Dropout", 13)
      .Input<float>({2}, {1, 2})
      .ExpectOutput<float>({2}, {1, 2})
      .ExpectOutput<bool>({2}, {true, true})
      .Run();
  OpTester("Dropout", 7)
      .Input<double>({2}, {1, 2})
      .ExpectOutput<double>({2}, {1, 2})
      .ExpectOutput<double>({2}, {1, 1})
      .Run();
  OpTester("Dropout", 13).Input<float>({0}, {}).ExpectOutput<float>({0}, {}).UnwantedOutput().Run();
}

TEST(Dropout, RefusesTraining) {
  OpTester("Dropout", 12)
      .Input<float>({1}, {1})
      .NoInput()
      .Input<bool>({}, {true})
      .ExpectError("operator_unsupported");
  OpTester("Dropout", 12)
      .Input<float>({1}, {1})
      .NoInput()
      .Input<float>({}, {1})
      .ExpectError("input_invalid");
  OpTester("Dropout", 11).Input<float>({1}, {1}).Input<float>({}, {1}).ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
