#include <gtest/gtest.h>

#include <limits>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

template <class T>
void ExpectComparisons() {
  SCOPED_TRACE(wire::Name(TypeOf<T>()));
  const auto expect = [](const char* op, const std::vector<bool>& expected) {
    OpTester test(op, 16);
    test.Input<T>({3}, {1, 2, 3});
    test.Input<T>({}, {2});
    test.ExpectOutput<bool>({3}, expected).Run();
  };
  expect("Equal", {false, true, false});
  expect("Less", {true, false, false});
  expect("LessOrEqual", {true, true, false});
  expect("Greater", {false, false, true});
  expect("GreaterOrEqual", {false, true, true});
}

TEST(Comparison, TakesAllNumericTypes) {
  ExpectComparisons<float>();
  ExpectComparisons<double>();
  ExpectComparisons<int8_t>();
  ExpectComparisons<int16_t>();
  ExpectComparisons<int32_t>();
  ExpectComparisons<int64_t>();
  ExpectComparisons<uint8_t>();
  ExpectComparisons<uint16_t>();
  ExpectComparisons<uint32_t>();
  ExpectComparisons<uint64_t>();
}

TEST(Comparison, FindsNanUnequalToItself) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const char* op : {"Equal", "Less", "GreaterOrEqual"}) {
    OpTester(op, 13)
        .Input<float>({1}, {kNan})
        .Input<float>({1}, {kNan})
        .ExpectOutput<bool>({1}, {false})
        .Run();
  }
}

TEST(Comparison, BroadcastsToEmptyTensors) {
  OpTester("Less")
      .Input<float>({2, 0}, {})
      .Input<float>({1}, {1})
      .ExpectOutput<bool>({2, 0}, {})
      .Run();
}

TEST(Equal, ComparesBooleans) {
  OpTester("Equal")
      .Input<bool>({2, 1}, {true, false})
      .Input<bool>({2}, {true, false})
      .ExpectOutput<bool>({2, 2}, {true, false, false, true})
      .Run();
}

TEST(Comparison, RefusesWhatDoesntFit) {
  OpTester("Less")
      .Input<bool>({1}, {true})
      .Input<bool>({1}, {true})
      .ExpectError("type_unsupported");
  OpTester("Equal").Input<float>({1}, {1}).Input<int32_t>({1}, {1}).ExpectError("input_invalid");
  OpTester("Equal")
      .Input<float>({2}, {1, 1})
      .Input<float>({3}, {1, 1, 1})
      .ExpectError("shape_invalid");
  OpTester("LessOrEqual", 11)
      .Input<float>({1}, {1})
      .Input<float>({1}, {1})
      .ExpectError("operator_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
