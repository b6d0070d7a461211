// LayerNormalization and InstanceNormalization.

#include <gtest/gtest.h>

#include <cmath>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::RandomValues;

struct Normalized {
  std::vector<float> values;
  std::vector<float> means;
  std::vector<float> inverses;
};

// Rows of `count` elements brought to mean 0 and deviation 1, in doubles.
Normalized NormalizeRows(const std::vector<float>& x, size_t count, double epsilon) {
  Normalized result;
  for (size_t row = 0; row < x.size() / count; ++row) {
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < count; ++i) sum += static_cast<double>(x[row * count + i]);
    const double mean = sum / static_cast<double>(count);
    for (size_t i = 0; i < count; ++i) {
      squares += std::pow(static_cast<double>(x[row * count + i]) - mean, 2);
    }
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(count) + epsilon);
    for (size_t i = 0; i < count; ++i) {
      const double value = (static_cast<double>(x[row * count + i]) - mean) * inverse;
      result.values.push_back(static_cast<float>(value));
    }
    result.means.push_back(static_cast<float>(mean));
    result.inverses.push_back(static_cast<float>(inverse));
  }
  return result;
}

TEST(LayerNormalization, NormalizesTheLastAxisAndTellsTheMoments) {
  const std::vector<float> x = RandomValues(3 * 5 * 37, 1);
  const std::vector<float> scale = RandomValues(37, 2);
  const std::vector<float> bias = RandomValues(37, 3);
  const Normalized normalized = NormalizeRows(x, 37, 1e-5);
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = normalized.values[i] * scale[i % 37] + bias[i % 37];
  OpTester("LayerNormalization")
      .Input<float>({3, 5, 37}, x)
      .Weight<float>({37}, scale)
      .Weight<float>({37}, bias)
      .ExpectOutput<float>({3, 5, 37}, y)
      .ExpectOutput<float>({3, 5, 1}, normalized.means)
      .ExpectOutput<float>({3, 5, 1}, normalized.inverses)
      .Run();
}

TEST(LayerNormalization, OpensTheChunkThatHoldsItsParametersOnce) {
  const std::vector<float> x = RandomValues(24, 1, 1);
  const std::vector<float> scale = RandomValues(8, 2, 1);
  const std::vector<float> bias = RandomValues(8, 3, 1);
  OpTester open("LayerNormalization");
  open.Input<float>({3, 8}, x).Input<float>({8}, scale).Input<float>({8}, bias);
  OpTester sealed("LayerNormalization");
  sealed.Input<float>({3, 8}, x).Weight<float>({8}, scale, 8).Weight<float>({8}, bias, 8);
  const auto expected = open.Outputs();
  const auto got = sealed.Outputs();
  ASSERT_TRUE(expected.has_value() && got.has_value());
  EXPECT_EQ((*got)[0].bytes, (*expected)[0].bytes);
  EXPECT_EQ(open.chunks_opened(), 0U);
  EXPECT_EQ(sealed.chunks_opened(), 1U);
}

TEST(LayerNormalization, NormalizesSeveralAxesWithoutBias) {
  const std::vector<float> x = RandomValues(4 * 6, 4);
  const Normalized normalized = NormalizeRows(x, 6, 0.5);
  OpTester("LayerNormalization")
      .Attr("axis", 1)
      .Attr("epsilon", 0.5f)
      .Input<float>({4, 2, 3}, x)
      .Input<float>({2, 3}, std::vector<float>(6, 1))
      .ExpectOutput<float>({4, 2, 3}, normalized.values)
      .UnwantedOutput()
      .ExpectOutput<float>({4, 1, 1}, normalized.inverses)
      .Run();
}

TEST(LayerNormalization, BroadcastsScaleAndBiasOverTheInput) {
  const std::vector<float> x = RandomValues(2 * 3 * 4, 5);
  const Normalized normalized = NormalizeRows(x, 4, 1e-5);
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = normalized.values[i] * static_cast<float>(i / 4 % 3 + 1) + 2;
  }
  OpTester("LayerNormalization")
      .Input<float>({2, 3, 4}, x)
      .Input<float>({3, 1}, {1, 2, 3})
      .Input<float>({}, {2})
      .ExpectOutput<float>({2, 3, 4}, y)
      .Run();
}

TEST(LayerNormalization, TakesDoublesAndEmptyTensors) {
  OpTester("LayerNormalization")
      .Attr("epsilon", 0.0f)
      .Input<double>({2}, {1, 3})
      .Input<double>({2}, {1, 1})
      .ExpectOutput<double>({2}, {-1, 1})
      .ExpectOutput<float>({1}, {2})
      .ExpectOutput<float>({1}, {1})
      .Run();
  OpTester("LayerNormalization")
      .Input<float>({0, 2}, {})
      .Input<float>({2}, {1, 1})
      .ExpectOutput<float>({0, 2}, {})
      .ExpectOutput<float>({0, 1}, {})
      .Run();
}

TEST(LayerNormalization, RefusesWhatDoesntFit) {
  const auto rows = [] {
    OpTester test("LayerNormalization");
    test.Input<float>({2, 2}, {1, 2, 3, 4});
    return test;
  };
  rows().ExpectError("input_invalid");
  rows().Input<float>({3}, {1, 1, 1}).ExpectError("shape_invalid");
  rows().Input<float>({1, 1, 2}, {1, 1}).ExpectError("shape_invalid");
  rows().Input<double>({2}, {1, 1}).ExpectError("input_invalid");
  rows().Attr("axis", 2).Input<float>({2}, {1, 1}).ExpectError("attribute_invalid");
  rows().Attr("stash_type", 10).Input<float>({2}, {1, 1}).ExpectError("operator_unsupported");
  OpTester("LayerNormalization")
      .Input<int32_t>({2}, {1, 1})
      .Input<int32_t>({2}, {1, 1})
      .ExpectError("type_unsupported");
  for (const Shape& spread : {Shape{2}, Shape{1}}) {
    OpTester("LayerNormalization")
        .Texts({2}, {"a", "b"})
        .Texts(spread, std::vector<std::string>(static_cast<size_t>(spread[0])))
        .ExpectError("type_unsupported");
  }
}

TEST(InstanceNormalization, NormalizesEachChannel) {
  const std::vector<float> x = RandomValues(2 * 3 * 5 * 7, 6);
  const Normalized normalized = NormalizeRows(x, 35, 1e-5);
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const auto channel = static_cast<float>(i / 35 % 3);
    y[i] = normalized.values[i] * (channel + 1) + channel;
  }
  OpTester("InstanceNormalization")
      .Input<float>({2, 3, 5, 7}, x)
      .Weight<float>({3}, {1, 2, 3})
      .Weight<float>({3}, {0, 1, 2})
      .ExpectOutput<float>({2, 3, 5, 7}, y)
      .Run();
}

TEST(RmsNormalization, DividesByTheRootOfTheMeanSquare) {
  // The rows' mean squares are 12.5 and 50.
  OpTester("RMSNormalization", 23)
      .Attr("epsilon", 0.0F)
      .Input<float>({2, 2}, {3, 4, -6, 8})
      .Input<float>({2}, {1, 10})
      .ExpectOutput<float>({2, 2}, {0.8485281F, 11.313708F, -0.8485281F, 11.313708F})
      .Run();
  // All four elements together: 31.25; epsilon makes it 36.
  OpTester("RMSNormalization", 23)
      .Attr("axis", 0)
      .Attr("epsilon", 4.75F)
      .Input<double>({2, 2}, {3, 4, -6, 8})
      .Weight<double>({2, 2}, {6, 6, 6, 12})
      .ExpectOutput<double>({2, 2}, {3, 4, -6, 16})
      .Run();
}

TEST(RmsNormalization, RefusesWhatDoesntFit) {
  OpTester("RMSNormalization", 23)
      .Input<float>({1, 2}, {1, 1})
      .Input<float>({3}, {1, 1, 1})
      .ExpectError("shape_invalid");
  OpTester("RMSNormalization", 23)
      .Attr("stash_type", 11)
      .Input<float>({1}, {1})
      .Input<float>({1}, {1})
      .ExpectError("operator_unsupported");
}

TEST(InstanceNormalization, TakesDoublesAndEmptyTensors) {
  OpTester("InstanceNormalization")
      .Attr("epsilon", 0.0f)
      .Input<double>({1, 1, 2}, {1, 3})
      .Input<double>({1}, {2})
      .Input<double>({1}, {5})
      .ExpectOutput<double>({1, 1, 2}, {3, 7})
      .Run();
  OpTester("InstanceNormalization")
      .Input<float>({0, 1, 2}, {})
      .Input<float>({1}, {2})
      .Input<float>({1}, {5})
      .ExpectOutput<float>({0, 1, 2}, {})
      .Run();
}

TEST(InstanceNormalization, RefusesWhatDoesntFit) {
  OpTester("InstanceNormalization")
      .Input<float>({2}, {1, 1})
      .Input<float>({1}, {1})
      .Input<float>({1}, {1})
      .ExpectError("shape_invalid");
  OpTester("InstanceNormalization")
      .Input<float>({1, 2, 1}, {1, 1})
      .Input<float>({1}, {1})
      .Input<float>({2}, {1, 1})
      .ExpectError("shape_invalid");
  OpTester("InstanceNormalization")
      .Input<float>({1, 1, 1}, {1})
      .Input<double>({1}, {1})
      .Input<float>({1}, {1})
      .ExpectError("input_invalid");
  OpTester("InstanceNormalization")
      .Input<float>({1, 1, 1}, {1})
      .Input<float>({1}, {1})
      .ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
