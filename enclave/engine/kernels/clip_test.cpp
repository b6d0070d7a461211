#include <gtest/gtest.h>

#include <limits>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Clip, HoldsElementsBetweenBounds) {
  OpTester("Clip")
      .Input<float>({4}, {-9, 0, 0.5f, 9})
      .Constant<float>({}, {-1})
      .Constant<float>({}, {1})
      .ExpectOutput<float>({4}, {-1, 0, 0.5f, 1})
      .Run();
  OpTester("Clip")
      .Input<int8_t>({3}, {-100, 1, 100})
      .Input<int8_t>({}, {-5})
      .Input<int8_t>({1}, {7})
      .ExpectOutput<int8_t>({3}, {-5, 1, 7})
      .Run();
  OpTester("Clip")
      .Input<uint64_t>({2}, {3, 30})
      .Input<uint64_t>({}, {4})
      .ExpectOutput<uint64_t>({2}, {4, 30})
      .Run();
}

TEST(Clip, TakesEitherBoundOrNone) {
  OpTester("Clip")
      .Input<float>({2}, {-9, 9})
      .NoInput()
      .Input<float>({}, {1})
      .ExpectOutput<float>({2}, {-9, 1})
      .Run();
  OpTester("Clip")
      .Input<float>({2}, {-9, 9})
      .Input<float>({}, {1})
      .ExpectOutput<float>({2}, {1, 9})
      .Run();
  OpTester("Clip")
      .Input<float>({3}, {-kInfinity, kInfinity, kNan})
      .ExpectOutput<float>({3}, {-kInfinity, kInfinity, kNan})
      .Run();
}

TEST(Clip, KeepsNanAndLetsTheUpperBoundWin) {
  OpTester("Clip")
      .Input<float>({2}, {kNan, 0})
      .Input<float>({}, {5})
      .Input<float>({}, {2})
      .ExpectOutput<float>({2}, {kNan, 2})
      .Run();
}

TEST(Clip, ReadsAttributesBeforeVersion11) {
  OpTester("Clip", 6)
      .Attr("min", -1.0f)
      .Attr("max", 1.0f)
      .Input<float>({3}, {-2, 0, 2})
      .ExpectOutput<float>({3}, {-1, 0, 1})
      .Run();
  OpTester("Clip", 10)
      .Attr("max", 6.0f)
      .Input<double>({2}, {-2, 20})
      .ExpectOutput<double>({2}, {-2, 6})
      .Run();
  OpTester("Clip", 6).Attr("min", 1).Input<float>({1}, {0}).ExpectError("attribute_invalid");
  OpTester("Clip", 10).Input<float>({1}, {0}).Input<float>({}, {0}).ExpectError("input_invalid");
  OpTester("Clip", 10).Input<int32_t>({1}, {0}).ExpectError("type_unsupported");
}

TEST(Clip, RefusesBoundsThatArentOneElementOfTheType) {
  OpTester("Clip").Input<float>({1}, {0}).Input<double>({}, {0}).ExpectError("input_invalid");
  OpTester("Clip").Input<float>({1}, {0}).Input<float>({2}, {0, 1}).ExpectError("input_invalid");
  OpTester("Clip").Input<float>({1}, {0}).Input<float>({0}, {}).ExpectError("input_invalid");
  OpTester("Clip").Input<bool>({1}, {true}).ExpectError("type_unsupported");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
