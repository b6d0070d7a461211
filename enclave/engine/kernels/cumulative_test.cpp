// CumSum and CumProd.

#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

OpTester CumProd(int exclusive, int reverse) {
  OpTester test("CumProd", 26);
  test.Attr("exclusive", exclusive).Attr("reverse", reverse);
  return test;
}

TEST(CumProd, MultipliesUpToEachElementOrUntilBeforeIt) {
  CumProd(0, 0)
      .Input<float>({3}, {2, 3, 4})
      .Constant<int32_t>({}, {0})
      .ExpectOutput<float>({3}, {2, 6, 24})
      .Run();
  CumProd(1, 0)
      .Input<float>({3}, {2, 3, 4})
      .Constant<int32_t>({}, {0})
      .ExpectOutput<float>({3}, {1, 2, 6})
      .Run();
  CumProd(0, 1)
      .Input<double>({3}, {2, 3, 4})
      .Constant<int32_t>({}, {0})
      .ExpectOutput<double>({3}, {24, 12, 4})
      .Run();
  CumProd(1, 1)
      .Input<double>({3}, {2, 3, 4})
      .Constant<int32_t>({}, {0})
      .ExpectOutput<double>({3}, {12, 4, 1})
      .Run();
}

TEST(CumProd, WorksAlongAnInnerAxisAndOnAWeight) {
  CumProd(0, 0)
      .Weight<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .Constant<int64_t>({1}, {-2})
      .ExpectOutput<float>({2, 2, 2}, {1, 2, 3, 8, 5, 6, 35, 48})
      .Run();
}

TEST(CumProd, WrapsIntegers) {
  CumProd(0, 0)
      .Input<int8_t>({3}, {100, 3, 3})
      .Constant<int64_t>({}, {0})
      .ExpectOutput<int8_t>({3}, {100, 44, -124})
      .Run();
  CumProd(0, 0)
      .Input<int64_t>({2}, {INT64_MAX, 2})
      .Constant<int64_t>({}, {0})
      .ExpectOutput<int64_t>({2}, {INT64_MAX, -2})
      .Run();
}

TEST(CumProd, TakesNothingAndRefusesAnAxisThatIsNotThere) {
  CumProd(0, 0)
      .Input<float>({2, 0}, {})
      .Constant<int64_t>({}, {1})
      .ExpectOutput<float>({2, 0}, {})
      .Run();
  CumProd(0, 0)
      .Input<float>({2}, {1, 2})
      .Constant<int64_t>({}, {1})
      .ExpectError("attribute_invalid");
  CumProd(0, 0)
      .Input<float>({2}, {1, 2})
      .Constant<int64_t>({2}, {0, 0})
      .ExpectError("input_invalid");
}

TEST(CumProd, IsThereFromVersion26On) {
  OpTester test("CumProd", 25);
  test.Input<float>({1}, {1}).Constant<int64_t>({}, {0}).ExpectError("operator_unsupported");
}

TEST(CumSum, AddsUpToEachElementOrUntilBeforeIt) {
  OpTester sums("CumSum", 14);
  sums.Attr("reverse", 1).Input<int32_t>({3}, {2, 3, 4}).Constant<int64_t>({}, {0});
  sums.ExpectOutput<int32_t>({3}, {9, 7, 4}).Run();
  OpTester before("CumSum", 14);
  before.Attr("exclusive", 1).Input<float>({3}, {2, 3, 4}).Constant<int64_t>({}, {0});
  before.ExpectOutput<float>({3}, {0, 2, 5}).Run();
}

}  // namespace
}  // namespace ephemeralml::engine
