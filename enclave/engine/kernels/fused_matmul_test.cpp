#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

OpTester Fused() { return OpTester("FusedMatMul", 1, "com.microsoft"); }

TEST(FusedMatMul, TransposesBothOperandsAndScales) {
  Fused()
      .Attr("transA", 1)
      .Attr("transB", 1)
      .Attr("alpha", 0.5F)
      .Input<float>({3, 2}, {1, 4, 2, 5, 3, 6})
      .Weight<float>({2, 3}, {1, 3, 5, 2, 4, 6}, 1)
      .ExpectOutput<float>({2, 2}, {11, 14, 24.5F, 32})
      .Run();
}

TEST(FusedMatMul, MovesTheBatchBeforeTheLastAxis) {
  // A's axes are [rows, batch, inner].
  Fused()
      .Attr("transBatchA", 1)
      .Input<float>({2, 2, 1}, {1, 2, 3, 4})
      .Input<float>({2, 1, 1}, {10, 100})
      .ExpectOutput<float>({2, 2, 1}, {10, 30, 200, 400})
      .Run();
  // A's axes are [inner, batch, rows].
  Fused()
      .Attr("transBatchA", 1)
      .Attr("transA", 1)
      .Input<float>({2, 1, 3}, {1, 2, 3, 4, 5, 6})
      .Input<float>({1, 2, 1}, {1, 10})
      .ExpectOutput<float>({1, 3, 1}, {41, 52, 63})
      .Run();
}

TEST(FusedMatMul, TakesVectorsAndEmptyOperands) {
  Fused()
      .Attr("transA", 1)
      .Input<float>({2}, {3, 4})
      .Input<float>({2, 1}, {5, 6})
      .ExpectOutput<float>({1}, {39})
      .Run();
  Fused()
      .Attr("transB", 1)
      .Input<float>({1, 0}, {})
      .Input<float>({2, 0}, {})
      .ExpectOutput<float>({1, 2}, {0, 0})
      .Run();
}

TEST(FusedMatMul, RefusesWhatDoesntFit) {
  Fused()
      .Attr("transA", 1)
      .Input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .Input<float>({3, 1}, {1, 2, 3})
      .ExpectError("shape_invalid");
  Fused().Input<double>({1, 1}, {1}).Input<double>({1, 1}, {1}).ExpectError("type_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
