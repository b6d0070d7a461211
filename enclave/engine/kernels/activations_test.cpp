#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void ExpectFunction(OpTester single, OpTester wide, const std::function<double(double)>& function) {
  std::vector<float> x = RandomValues(33'000, 4);
  std::ranges::transform(x, x.begin(), [](float v) { return 4 * v; });
  const Shape shape = {11, 3'000};
  std::vector<float> y(x.size());
  std::ranges::transform(x, y.begin(), [&](float v) { return static_cast<float>(function(v)); });
  single.Input<float>(shape, x).ExpectOutput<float>(shape, y).Tolerance(1e-6, 1e-6).Run();
  const std::vector<double> wide_x(x.begin(), x.end());
  std::vector<double> wide_y(x.size());
  std::ranges::transform(wide_x, wide_y.begin(), function);
  wide.Input<double>(shape, wide_x).ExpectOutput<double>(shape, wide_y).Tolerance(1e-6, 1e-6).Run();
}

void ExpectFunction(const OpTester& test, const std::function<double(double)>& function) {
  ExpectFunction(test, test, function);
}

TEST(Activations, FollowTheirDefinitions) {
  ExpectFunction(OpTester("Relu"), [](double x) { return std::max(x, 0.0); });
  ExpectFunction(OpTester("Sigmoid"), [](double x) { return 1 / (1 + std::exp(-x)); });
  ExpectFunction(OpTester("Softplus"), [](double x) { return std::log1p(std::exp(x)); });
  ExpectFunction(OpTester("HardSwish"),
                 [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); });
  ExpectFunction(OpTester("Gelu", 20),
                 [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); });
}

TEST(Activations, HaveTheirDefaultsAndTakeTheirAttributes) {
  ExpectFunction(OpTester("Elu"), [](double x) { return x < 0 ? std::exp(x) - 1 : x; });
  ExpectFunction(OpTester("LeakyRelu"), [](double x) { return x < 0 ? 0.01f * x : x; });
  ExpectFunction(OpTester("HardSigmoid"),
                 [](double x) { return std::clamp(0.2f * x + 0.5, 0.0, 1.0); });
  ExpectFunction(OpTester("Elu").Attr("alpha", 2.0f),
                 [](double x) { return x < 0 ? 2 * (std::exp(x) - 1) : x; });
  ExpectFunction(OpTester("LeakyRelu").Attr("alpha", 0.5f),
                 [](double x) { return x < 0 ? 0.5 * x : x; });
  ExpectFunction(OpTester("HardSigmoid").Attr("alpha", 0.25f).Attr("beta", 0.125f),
                 [](double x) { return std::clamp(0.25 * x + 0.125, 0.0, 1.0); });
  ExpectFunction(OpTester("Gelu", 20).Attr("approximate", "tanh"), [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  });
}

TEST(Activations, StayFiniteFarOut) {
  OpTester("Sigmoid").Input<float>({2}, {-200, 200}).ExpectOutput<float>({2}, {0, 1}).Run();
  OpTester("Softplus").Input<float>({2}, {-200, 200}).ExpectOutput<float>({2}, {0, 200}).Run();
}

TEST(Relu, KeepsNanAndTakesIntegers) {
  OpTester("Relu", 14).Input<float>({2}, {kNan, -1}).ExpectOutput<float>({2}, {kNan, 0}).Run();
  OpTester("Relu", 14).Input<int32_t>({2}, {-5, 5}).ExpectOutput<int32_t>({2}, {0, 5}).Run();
}

TEST(Activations, RefuseWrongAttributesAndTypes) {
  OpTester("Gelu", 20)
      .Attr("approximate", "other")
      .Input<float>({1}, {1})
      .ExpectError("attribute_invalid");
  OpTester("Gelu", 19).Input<float>({1}, {1}).ExpectError("operator_unsupported");
  OpTester("Elu").Attr("alpha", 1).Input<float>({1}, {1}).ExpectError("attribute_invalid");
  OpTester("Sigmoid").Input<int32_t>({1}, {1}).ExpectError("type_unsupported");
}

TEST(Shrink, EndsAtTheLargestInteger) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  OpTester("Shrink").Input<uint64_t>({2}, {kMost, 0}).ExpectOutput<uint64_t>({2}, {kMost, 0}).Run();
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
