#include <gtest/gtest.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::PatternValues;

OpTester Normalization(const Shape& shape, int64_t opset = 15) {
  OpTester test("BatchNormalization", opset);
  test.Attr("epsilon", 0.01f).Input<float>(shape, PatternValues(*ElementCount(shape), 1));
  test.Weight<float>({3}, PatternValues(3, 2)).Weight<float>({3}, PatternValues(3, 3), 2);
  test.Weight<float>({3}, PatternValues(3, 4)).Weight<float>({3}, {0.5f, 1, 2});
  return test;
}

// ONNX Runtime 1.30's numbers.
TEST(BatchNormalization, NormalizesEachChannel) {
  Normalization({2, 3, 2})
      .ExpectOutput<float>({2, 3, 2},
                           {-1.95014f, -0.54986f, -1.058468f, 3.185988f, 0.08873844f, -0.3521026f,
                            -3.70049f, -2.30021f, 0.9627016f, -0.6542338f, 0.6397897f, 0.1989487f})
      .Run();
}

TEST(BatchNormalization, TakesRowsWithoutPlanesAndEmptyPlanes) {
  Normalization({0, 3}).ExpectOutput<float>({0, 3}, {}).Run();
  Normalization({2, 3, 0}).ExpectOutput<float>({2, 3, 0}, {}).Run();
  OpTester("BatchNormalization", 9)
      .Attr("epsilon", 0.0f)
      .Input<float>({2}, {1, 3})
      .Input<float>({1}, {2})
      .Input<float>({1}, {1})
      .Input<float>({1}, {1})
      .Input<float>({1}, {4})
      .ExpectOutput<float>({2}, {1, 3})
      .UnwantedOutput()
      .Run();
}

TEST(BatchNormalization, RefusesTrainingAndOtherShapes) {
  Normalization({2, 3, 2}).Attr("training_mode", 1).ExpectError("operator_unsupported");
  Normalization({2, 3, 2}, 7).Attr("spatial", 0).ExpectError("operator_unsupported");
  Normalization({2, 3, 2}, 9)
      .ExpectOutput<float>({}, {0})
      .ExpectOutput<float>({}, {0})
      .ExpectError("operator_unsupported");
  Normalization({2, 3, 2}, 14)
      .ExpectOutput<float>({}, {0})
      .ExpectOutput<float>({}, {0})
      .ExpectError("input_invalid");
  Normalization({2, 4, 2}).ExpectError("shape_invalid");
  Normalization({}).ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
