#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

TEST(Expand, RepeatsAlongAxesOfExtentOne) {
  OpTester("Expand")
      .Input<float>({3, 1}, {1, 2, 3})
      .Input<int64_t>({2}, {3, 2})
      .ExpectOutput<float>({3, 2}, {1, 1, 2, 2, 3, 3})
      .Run();
  OpTester("Expand")
      .Input<int8_t>({2}, {1, 2})
      .Constant<int64_t>({3}, {2, 1, 1})
      .ExpectOutput<int8_t>({2, 1, 2}, {1, 2, 1, 2})
      .Run();
  OpTester("Expand")
      .Input<double>({}, {5})
      .Input<int64_t>({1}, {3})
      .ExpectOutput<double>({3}, {5, 5, 5})
      .Run();
}

TEST(Expand, LetsTheInputBroadcastTheShapeToo) {
  OpTester("Expand")
      .Input<float>({3, 1}, {1, 2, 3})
      .Input<int64_t>({1}, {1})
      .ExpectOutput<float>({3, 1}, {1, 2, 3})
      .Run();
  OpTester("Expand")
      .Weight<float>({2, 2}, {1, 2, 3, 4})
      .Input<int64_t>({0}, {})
      .ExpectOutput<float>({2, 2}, {1, 2, 3, 4})
      .Run();
}

TEST(Expand, MakesEmptyTensors) {
  OpTester("Expand")
      .Input<float>({1, 2}, {1, 2})
      .Input<int64_t>({2}, {0, 2})
      .ExpectOutput<float>({0, 2}, {})
      .Run();
}

TEST(Expand, RefusesWhatDoesntFit) {
  OpTester("Expand")
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {3})
      .ExpectError("shape_invalid");
  OpTester("Expand").Input<float>({1}, {1}).Input<int64_t>({1}, {-1}).ExpectError("shape_invalid");
  OpTester("Expand")
      .Input<float>({1}, {1})
      .Input<int64_t>({2}, {int64_t{1} << 40, 1 << 20})
      .ExpectError("size_overflow");
  OpTester("Expand")
      .Input<float>({1}, {1})
      .Input<int64_t>({1}, {int64_t{1} << 40})
      .ExpectError("session_memory_exceeded");
  OpTester("Expand").Input<float>({1}, {1}).Input<float>({1}, {1}).ExpectError("type_unsupported");
  OpTester("Expand")
      .Input<float>({1}, {1})
      .Input<int64_t>({1, 1}, {1})
      .ExpectError("input_invalid");
  OpTester("Expand")
      .Input<float>({1}, {1})
      .Input<int64_t>({65}, std::vector<int64_t>(65, 1))
      .ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
