#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

TEST(Tile, RepeatsAlongEveryAxis) {
  OpTester("Tile")
      .Input<float>({2, 2}, {1, 2, 3, 4})
      .Input<int64_t>({2}, {2, 1})
      .ExpectOutput<float>({4, 2}, {1, 2, 3, 4, 1, 2, 3, 4})
      .Run();
  OpTester("Tile")
      .Input<uint8_t>({2, 2}, {1, 2, 3, 4})
      .Input<int64_t>({2}, {1, 2})
      .ExpectOutput<uint8_t>({2, 4}, {1, 2, 1, 2, 3, 4, 3, 4})
      .Run();
  OpTester("Tile")
      .Weight<int64_t>({1, 2}, {1, 2})
      .Input<int64_t>({2}, {2, 2})
      .ExpectOutput<int64_t>({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2})
      .Run();
}

TEST(Tile, TakesOnesZerosAndScalars) {
  OpTester("Tile")
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {1})
      .ExpectOutput<float>({2}, {1, 2})
      .Run();
  OpTester("Tile")
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {0})
      .ExpectOutput<float>({0}, {})
      .Run();
  OpTester("Tile").Input<float>({}, {1}).Input<int64_t>({0}, {}).ExpectOutput<float>({}, {1}).Run();
}

TEST(Tile, RefusesWhatDoesntFit) {
  OpTester("Tile").Input<float>({2}, {1, 2}).Input<int64_t>({1}, {-1}).ExpectError("input_invalid");
  OpTester("Tile")
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({2}, {1, 1})
      .ExpectError("input_invalid");
  OpTester("Tile")
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {INT64_MAX})
      .ExpectError("size_overflow");
  OpTester("Tile")
      .Input<float>({2}, {1, 2})
      .Input<int64_t>({1}, {int64_t{1} << 36})
      .ExpectError("session_memory_exceeded");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
