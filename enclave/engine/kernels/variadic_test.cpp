#include <gtest/gtest.h>

#include <limits>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Variadic, FoldsAnyNumberOfOperandsUnderBroadcasting) {
  const auto operands = [](const char* op) {
    OpTester test(op, 13);
    test.Input<float>({3}, {1, 5, 3}).Input<float>({2, 1}, {2, 4}).Input<float>({}, {3});
    return test;
  };
  operands("Max").ExpectOutput<float>({2, 3}, {3, 5, 3, 4, 5, 4}).Run();
  operands("Min").ExpectOutput<float>({2, 3}, {1, 2, 2, 1, 3, 3}).Run();
  operands("Sum").ExpectOutput<float>({2, 3}, {6, 10, 8, 8, 12, 10}).Run();
}

TEST(Variadic, PassesASingleOperandThrough) {
  for (const char* op : {"Max", "Min", "Sum"}) {
    OpTester(op, 8).Input<float>({2}, {1, 2}).ExpectOutput<float>({2}, {1, 2}).Run();
    OpTester(op, 8).Weight<float>({2}, {1, 2}).ExpectOutput<float>({2}, {1, 2}).Run();
  }
}

TEST(Variadic, TakesTwoOperandsAndEmptyOnes) {
  OpTester("Max")
      .Input<float>({2, 2}, {1, -1, 2, -2})
      .Constant<float>({}, {0})
      .ExpectOutput<float>({2, 2}, {1, 0, 2, 0})
      .Run();
  OpTester("Sum")
      .Input<float>({0}, {})
      .Input<float>({1}, {1})
      .Input<float>({}, {1})
      .ExpectOutput<float>({0}, {})
      .Run();
}

template <class T>
void ExpectIntegers() {
  OpTester two("Max");
  two.Input<T>({2}, {1, 9});
  two.Input<T>({2}, {5, 2});
  two.ExpectOutput<T>({2}, {5, 9});
  two.Run();
  OpTester three("Min");
  three.Input<T>({2}, {1, 9});
  three.Input<T>({2}, {5, 2});
  three.Input<T>({}, {3});
  three.ExpectOutput<T>({2}, {1, 2});
  three.Run();
}

TEST(Variadic, TakesIntegersForMaxAndMin) {
  ExpectIntegers<int8_t>();
  ExpectIntegers<int16_t>();
  ExpectIntegers<int32_t>();
  ExpectIntegers<int64_t>();
  ExpectIntegers<uint8_t>();
  ExpectIntegers<uint16_t>();
  ExpectIntegers<uint32_t>();
  ExpectIntegers<uint64_t>();
  OpTester("Sum").Input<int32_t>({1}, {1}).Input<int32_t>({1}, {1}).ExpectError("type_unsupported");
}

TEST(Variadic, LetsNanWin) {
  for (const char* op : {"Max", "Min"}) {
    OpTester(op)
        .Input<float>({2}, {kNan, 1})
        .Input<float>({2}, {1, kNan})
        .ExpectOutput<float>({2}, {kNan, kNan})
        .Run();
    OpTester(op)
        .Input<float>({2}, {kNan, 1})
        .Input<float>({2}, {1, kNan})
        .Input<float>({}, {5})
        .ExpectOutput<float>({2}, {kNan, kNan})
        .Run();
  }
}

TEST(Variadic, RefusesWhatDoesntFit) {
  OpTester("Max").ExpectError("input_invalid");
  OpTester("Max")
      .Input<float>({2}, {1, 1})
      .Input<float>({3}, {1, 1, 1})
      .ExpectError("shape_invalid");
  OpTester("Sum").Input<float>({1}, {1}).Input<double>({1}, {1}).ExpectError("input_invalid");
  OpTester("Sum").Input<float>({1}, {1}).NoInput().ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
