#include <gtest/gtest.h>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

const std::vector<float> kX = {-0.25, 0.75, 0.75, 0, 0, 0.25, 0.75, -0.25};
const std::vector<float> kTaps = {0.5, -0.25, 0.25, 0.5, 0, 0.5};
const std::vector<float> kBias = {0.5, -1};
const std::vector<float> kPast = {-1, -0.75, -0.5, -0.5};

OpTester Causal(const char* activation = "none", std::string domain = "") {
  OpTester test("CausalConvWithState", domain.empty() ? 27 : 1, domain);
  test.Attr("activation", activation);
  return test;
}

TEST(CausalConvWithState, SeesThePastAndHandsOnTheLastOfTheInput) {
  Causal()
      .Input<float>({1, 2, 4}, kX)
      .Weight<float>({2, 1, 3}, kTaps)
      .Weight<float>({2}, kBias)
      .Input<float>({1, 2, 2}, kPast)
      .ExpectOutput<float>({1, 2, 4}, {0.125, 0.375, 0.375, 0.6875, -1.25, -1.125, -0.625, -1})
      .ExpectOutput<float>({1, 2, 2}, {0.75, 0, 0.75, -0.25})
      .Run();
}

TEST(CausalConvWithState, KeepsOfThePastWhatAShortInputDoesNotReplace) {
  Causal()
      .Input<float>({1, 2, 1}, {-0.25, 0})
      .Input<float>({2, 1, 3}, kTaps)
      .Input<float>({2}, kBias)
      .Input<float>({1, 2, 2}, kPast)
      .ExpectOutput<float>({1, 2, 1}, {0.125, -1.25})
      .ExpectOutput<float>({1, 2, 2}, {-0.75, -0.25, -0.5, 0})
      .Run();
  Causal()
      .Input<float>({1, 2, 0}, {})
      .Input<float>({2, 1, 3}, kTaps)
      .NoInput()
      .Input<float>({1, 2, 2}, kPast)
      .ExpectOutput<float>({1, 2, 0}, {})
      .ExpectOutput<float>({1, 2, 2}, kPast)
      .Run();
}

TEST(CausalConvWithState, BeginsWithZerosWithoutAPast) {
  Causal()
      .Input<float>({1, 2, 4}, kX)
      .Input<float>({2, 1, 3}, kTaps)
      .ExpectOutput<float>({1, 2, 4}, {-0.0625, 0.25, -0.125, 0.1875, 0, 0.125, 0.375, 0})
      .ExpectOutput<float>({1, 2, 2}, {0.75, 0, 0.75, -0.25})
      .Run();
}

TEST(CausalConvWithState, AppliesSwishByEitherName) {
  for (const char* name : {"silu", "swish"}) {
    for (const char* domain : {"", "com.microsoft"}) {
      Causal(name, domain)
          .Input<float>({1, 2, 4}, kX)
          .Input<float>({2, 1, 3}, kTaps)
          .Input<float>({2}, kBias)
          .Input<float>({1, 2, 2}, kPast)
          .ExpectOutput<float>({1, 2, 4}, {0.06640117F, 0.22225F, 0.22225F, 0.4574698F, -0.2783752F,
                                           -0.2757206F, -0.2179032F, -0.2689414F})
          .UnwantedOutput()
          .Run();
    }
  }
}

TEST(CausalConvWithState, RefusesWhatDoesNotFit) {
  Causal("relu")
      .Input<float>({1, 2, 4}, kX)
      .Input<float>({2, 1, 3}, kTaps)
      .ExpectError("attribute_invalid");
  Causal()
      .Attr("ndim", 2)
      .Input<float>({1, 2, 4}, kX)
      .Input<float>({2, 1, 3}, kTaps)
      .ExpectError("operator_unsupported");
  Causal().Input<float>({1, 2, 4}, kX).Input<float>({1, 2, 3}, kTaps).ExpectError("shape_invalid");
  Causal().Input<float>({1, 2, 4}, kX).Input<float>({2, 1, 0}, {}).ExpectError("shape_invalid");
  Causal()
      .Input<float>({1, 2, 4}, kX)
      .Input<float>({2, 1, 3}, kTaps)
      .NoInput()
      .Input<float>({1, 2, 1}, {0, 0})
      .ExpectError("shape_invalid");
  Causal()
      .Input<float>({1, 2, 4}, kX)
      .Input<int32_t>({2, 1, 1}, {1, 1})
      .ExpectError("type_unsupported");
}

TEST(CausalConvWithState, TakesNothingOfAbsurdShapes) {
  Causal()
      .Input<float>({int64_t{1} << 28, 2, 0}, {})
      .Input<float>({2, 1, 1}, {1, 1})
      .ExpectOutput<float>({int64_t{1} << 28, 2, 0}, {})
      .Run();
}

}  // namespace
}  // namespace ephemeralml::engine
