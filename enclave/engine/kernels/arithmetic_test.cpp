#include <gtest/gtest.h>

#include <limits>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

template <class T>
constexpr T kLowest = std::numeric_limits<T>::min();
template <class T>
constexpr T kHighest = std::numeric_limits<T>::max();

template <class T>
void ExpectResult(const char* op, const std::vector<T>& a, const std::vector<T>& b,
                  const std::vector<T>& expected) {
  SCOPED_TRACE(wire::Name(TypeOf<T>()));
  const Shape shape = {static_cast<int64_t>(a.size())};
  OpTester test(op);
  test.Input<T>(shape, a);
  test.Input<T>(shape, b);
  test.ExpectOutput<T>(shape, expected);
  test.Run();
}

template <class T>
void ExpectAllFour() {
  ExpectResult<T>("Add", {7, 1}, {2, 3}, {9, 4});
  ExpectResult<T>("Sub", {7, 5}, {2, 3}, {5, 2});
  ExpectResult<T>("Mul", {7, 5}, {2, 3}, {14, 15});
  ExpectResult<T>("Div", {8, 15}, {2, 3}, {4, 5});
}

TEST(Arithmetic, TakesAllNumericTypes) {
  ExpectAllFour<float>();
  ExpectAllFour<double>();
  ExpectAllFour<int8_t>();
  ExpectAllFour<int16_t>();
  ExpectAllFour<int32_t>();
  ExpectAllFour<int64_t>();
  ExpectAllFour<uint8_t>();
  ExpectAllFour<uint16_t>();
  ExpectAllFour<uint32_t>();
  ExpectAllFour<uint64_t>();
}

TEST(Arithmetic, BroadcastsBothOperands) {
  OpTester("Sub")
      .Input<float>({2, 1}, {10, 20})
      .Input<float>({3}, {1, 2, 3})
      .ExpectOutput<float>({2, 3}, {9, 8, 7, 19, 18, 17})
      .Run();
  OpTester("Div")
      .Input<float>({}, {12})
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .ExpectOutput<float>({2, 2}, {12, 6, 4, 3})
      .Run();
  OpTester("Mul")
      .Input<float>({2, 2, 1}, {1, 2, 3, 4})
      .Weight<float>({2, 1, 2}, {1, 10, 2, 20})
      .ExpectOutput<float>({2, 2, 2}, {1, 10, 2, 20, 6, 60, 8, 80})
      .Run();
}

TEST(Arithmetic, CoversLargeTensorsOnSeveralThreads) {
  constexpr int64_t kRows = 301;
  constexpr int64_t kColumns = 257;
  const std::vector<float> a = RandomValues(kRows * kColumns, 5);
  const std::vector<float> b = RandomValues(kColumns, 6);
  std::vector<float> expected(a.size());
  for (size_t i = 0; i < a.size(); ++i) expected[i] = a[i] + b[i % kColumns];
  OpTester("Add")
      .Input<float>({kRows, kColumns}, a)
      .Input<float>({kColumns}, b)
      .ExpectOutput<float>({kRows, kColumns}, expected)
      .Tolerance(0, 0)
      .Run();
}

TEST(Arithmetic, TakesEmptyTensors) {
  OpTester("Add")
      .Input<float>({0, 3}, {})
      .Input<float>({3}, {1, 2, 3})
      .ExpectOutput<float>({0, 3}, {})
      .Run();
  OpTester("Div")
      .Input<int32_t>({0}, {})
      .Input<int32_t>({1}, {4})
      .ExpectOutput<int32_t>({0}, {})
      .Run();
}

TEST(Arithmetic, WrapsIntegers) {
  ExpectResult<int32_t>("Add", {kHighest<int32_t>}, {1}, {kLowest<int32_t>});
  ExpectResult<int64_t>("Sub", {kLowest<int64_t>}, {1}, {kHighest<int64_t>});
  ExpectResult<uint16_t>("Mul", {65'535}, {65'535}, {1});
  ExpectResult<int8_t>("Mul", {100}, {2}, {-56});
}

TEST(Div, TruncatesTowardsZero) {
  ExpectResult<int32_t>("Div", {7, -7, 7, -7}, {2, 2, -2, -2}, {3, -3, -3, 3});
}

TEST(Div, SurvivesTheLowestIntegerOverMinusOne) {
  ExpectResult<int32_t>("Div", {kLowest<int32_t>, 5}, {-1, -1}, {kLowest<int32_t>, -5});
  ExpectResult<int64_t>("Div", {kLowest<int64_t>, 5}, {-1, -1}, {kLowest<int64_t>, -5});
  ExpectResult<int8_t>("Div", {-128, 5}, {-1, -1}, {-128, -5});
}

TEST(Div, RefusesAnIntegerZeroAndDividesByAFloatingOne) {
  OpTester("Div")
      .Input<int64_t>({2}, {1, 2})
      .Input<int64_t>({2}, {1, 0})
      .ExpectError("input_invalid");
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  ExpectResult<float>("Div", {1, -1}, {0, 0}, {kInfinity, -kInfinity});
}

TEST(Arithmetic, RefusesWhatDoesntFit) {
  OpTester("Add")
      .Input<float>({2}, {1, 2})
      .Input<float>({3}, {1, 2, 3})
      .ExpectError("shape_invalid");
  OpTester("Add").Input<float>({1}, {1}).Input<double>({1}, {1}).ExpectError("input_invalid");
  OpTester("Add").Input<bool>({1}, {true}).Input<bool>({1}, {true}).ExpectError("type_unsupported");
  OpTester("Add").Input<float>({1}, {1}).ExpectError("input_invalid");
  OpTester("Add").Input<float>({1}, {1}).NoInput().ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
