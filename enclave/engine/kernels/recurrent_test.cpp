#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "enclave/engine/kernels/testing/op_tester.h"

namespace ephemeralml::engine {
namespace {

using testing::OpTester;

TEST(Rnn, CarriesItsStateAndStopsWithItsSequence) {
  OpTester test("RNN", 14);
  test.Input<float>({2, 2, 1}, {1, 2, 3, 4}).Weight<float>({1, 1, 1}, {0.5f}, 1);
  test.Weight<float>({1, 1, 1}, {2}, 1).Input<float>({1, 2}, {0.25f, -0.25f});
  test.Input<int32_t>({2}, {2, 1});
  const float first = std::tanh(0.5f);
  const float other = std::tanh(1.0f);
  const float second = std::tanh(1.5f + 2 * first);
  test.ExpectOutput<float>({2, 1, 2, 1}, {first, other, second, 0});
  test.ExpectOutput<float>({1, 2, 1}, {second, other}).Run();
}

TEST(Gru, ResetsBeforeOrAfterTheRecurrence) {
  const auto sigmoid = [](float x) { return 1 / (1 + std::exp(-x)); };
  for (const bool linear : {false, true}) {
    OpTester test("GRU", 14);
    test.Attr("linear_before_reset", linear ? 1 : 0);
    test.Input<float>({1, 1, 1}, {2}).Input<float>({1, 3, 1}, {0.1f, 0.2f, 0.3f});
    test.Input<float>({1, 3, 1}, {0.4f, 0.5f, 0.6f}).Input<float>({1, 6}, {0, 0, 0, 0, 0, 0.7f});
    test.NoInput().Input<float>({1, 1, 1}, {1.5f});
    const float update = sigmoid(0.2f + 0.6f);
    const float reset = sigmoid(0.4f + 0.75f);
    const float inner = linear ? reset * (0.9f + 0.7f) : reset * 0.9f + 0.7f;
    const float hidden = (1 - update) * std::tanh(0.6f + inner) + update * 1.5f;
    test.ExpectOutput<float>({1, 1, 1, 1}, {hidden}).ExpectOutput<float>({1, 1, 1}, {hidden}).Run();
  }
}

std::vector<float> Random(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = std::uniform_real_distribution(-0.3f, 0.3f)(random);
  return values;
}

// Of sealed weights no more is open at once than one direction's W, or its R, and its biases.
TEST(Gru, OpensOneDirectionAtATime) {
  constexpr int64_t kSize = 96, kGates = 3 * kSize;
  const auto part = [](int64_t elements) { return static_cast<size_t>(elements) * sizeof(float); };
  const std::vector<float> x = Random(5 * 2 * kSize, 1), w = Random(2 * kGates * kSize, 2);
  const std::vector<float> r = Random(2 * kGates * kSize, 3), b = Random(2 * 2 * kGates, 4);
  const auto gru = [&] {
    OpTester test("GRU", 14);
    test.Attr("direction", "bidirectional").Input<float>({5, 2, kSize}, x);
    return test;
  };
  OpTester open = gru(), sealed = gru();
  open.Input<float>({2, kGates, kSize}, w).Input<float>({2, kGates, kSize}, r);
  open.Input<float>({2, 2 * kGates}, b);
  sealed.Weight<float>({2, kGates, kSize}, w, 1).Weight<float>({2, kGates, kSize}, r, 1);
  sealed.Weight<float>({2, 2 * kGates}, b, 1);
  const auto expected = open.Outputs(2), got = sealed.Outputs(2);
  ASSERT_TRUE(expected.has_value() && got.has_value());
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ((*got)[i].bytes, (*expected)[i].bytes);
  EXPECT_EQ(open.peak_plaintext_bytes(), 0U);
  const size_t most = part(kGates * kSize) + part(2 * kGates);
  EXPECT_GE(sealed.peak_plaintext_bytes(), most);
  EXPECT_LE(sealed.peak_plaintext_bytes(), most + wire::kChunkBytes) << "a chunk beside its part";
}

TEST(Gru, RefusesOperandsThatDontFit) {
  OpTester weights("GRU", 14);
  weights.Input<float>({1, 1, 1}, {2}).Input<float>({1, 2, 1}, {1, 2});
  weights.Input<float>({1, 3, 1}, {1, 2, 3}).ExpectError("shape_invalid");
  OpTester length("RNN", 14);
  length.Input<float>({1, 1, 1}, {2}).Input<float>({1, 1, 1}, {1}).Input<float>({1, 1, 1}, {1});
  length.NoInput().Input<int32_t>({1}, {2}).ExpectError("input_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine
