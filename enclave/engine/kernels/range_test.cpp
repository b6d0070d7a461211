#include <gtest/gtest.h>

#include <limits>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

template <class T>
OpTester Range(T start, T limit, T delta) {
  OpTester test("Range", 11);
  test.Input<T>({}, {start});
  test.Input<T>({}, {limit});
  test.Input<T>({}, {delta});
  return test;
}

TEST(Range, CountsUpAndDown) {
  Range<float>(1, 2, 0.3f).ExpectOutput<float>({4}, {1, 1.3f, 1.6f, 1.9f}).Run();
  Range<double>(0, -1, -0.5).ExpectOutput<double>({2}, {0, -0.5}).Run();
  Range<int16_t>(3, 9, 3).ExpectOutput<int16_t>({2}, {3, 6}).Run();
  Range<int32_t>(10, 4, -2).ExpectOutput<int32_t>({3}, {10, 8, 6}).Run();
  Range<int64_t>(0, 3, 1).ExpectOutput<int64_t>({3}, {0, 1, 2}).Run();
  OpTester("Range")
      .Input<int64_t>({1}, {0})
      .Input<int64_t>({1}, {1})
      .Input<int64_t>({1}, {5})
      .ExpectOutput<int64_t>({1}, {0})
      .Run();
}

TEST(Range, IsEmptyWhereTheStepLeadsAway) {
  Range<int64_t>(5, 5, 1).ExpectOutput<int64_t>({0}, {}).Run();
  Range<int64_t>(5, 0, 1).ExpectOutput<int64_t>({0}, {}).Run();
  Range<float>(0, 5, -1).ExpectOutput<float>({0}, {}).Run();
}

TEST(Range, ReachesFromOneEndOfTheTypeToTheOther) {
  Range<int64_t>(INT64_MIN, INT64_MAX, INT64_MAX)
      .ExpectOutput<int64_t>({3}, {INT64_MIN, -1, INT64_MAX - 1})
      .Run();
  Range<int64_t>(INT64_MAX, INT64_MIN, INT64_MIN).ExpectOutput<int64_t>({2}, {INT64_MAX, -1}).Run();
  Range<int16_t>(INT16_MIN, INT16_MAX, 20'000)
      .ExpectOutput<int16_t>({4}, {-32'768, -12'768, 7'232, 27'232})
      .Run();
}

TEST(Range, RefusesStepsThatLeadNowhereAndTooManyElements) {
  Range<int64_t>(0, 1, 0).ExpectError("input_invalid");
  Range<float>(0, 1, 0).ExpectError("input_invalid");
  Range<float>(0, 1, std::numeric_limits<float>::quiet_NaN()).ExpectError("input_invalid");
  Range<float>(0, std::numeric_limits<float>::infinity(), 1).ExpectError("size_overflow");
  Range<int64_t>(0, INT64_MAX, 1).ExpectError("size_overflow");
  Range<int64_t>(0, int64_t{1} << 40, 1).ExpectError("session_memory_exceeded");
  Range<double>(0, 1e12, 1).ExpectError("session_memory_exceeded");
}

TEST(Range, RefusesOperandsThatArentScalarsOfOneType) {
  Range<uint8_t>(0, 1, 1).ExpectError("type_unsupported");
  OpTester("Range").Input<float>({}, {0}).Input<double>({}, {1}).Input<float>({}, {1}).ExpectError(
      "input_invalid");
  OpTester("Range")
      .Input<float>({2}, {0, 1})
      .Input<float>({}, {1})
      .Input<float>({}, {1})
      .ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
