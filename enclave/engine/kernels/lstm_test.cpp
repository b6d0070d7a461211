#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "enclave/engine/base/testing/random_values.h"
#include "enclave/engine/kernels/testing/op_tester.h"

// Expected numbers are ONNX Runtime 1.30's.

namespace ephemeralml::engine::kernels {
namespace {

using testing::OpTester;
using testing::PatternValues;
using testing::RandomValues;
using testing::Value;

enum Optional : unsigned { kNone = 0, kBias = 1, kLengths = 2, kStates = 4, kPeepholes = 8 };
enum class Cut { kRows, kColumns };

std::vector<float> Small(const Shape& shape, uint64_t seed) {
  return PatternValues(*ElementCount(shape), seed, 32);
}

// Three steps of two sequences of two inputs, two hidden elements.
OpTester Lstm(int64_t directions, unsigned optional, Cut bias = Cut::kRows) {
  const int64_t d = directions;
  OpTester test("LSTM", 14);
  test.Attr("hidden_size", 2).Input<float>({3, 2, 2}, Small({3, 2, 2}, 1));
  test.Weight<float>({d, 8, 2}, Small({d, 8, 2}, 2), 1);
  test.Weight<float>({d, 8, 2}, Small({d, 8, 2}, 3), 1);
  if ((optional & kBias) != 0) {
    const std::vector<float> values = Small({d, 16}, 4);
    if (bias == Cut::kRows) test.Weight<float>({d, 16}, values, 1);
    if (bias == Cut::kColumns) test.ColumnWeight<float>({d, 16}, values, 3);
  } else {
    test.NoInput();
  }
  if ((optional & kLengths) != 0) {
    test.Input<int32_t>({2}, {3, 2});
  } else {
    test.NoInput();
  }
  if ((optional & kStates) != 0) {
    test.Input<float>({d, 2, 2}, Small({d, 2, 2}, 5)).Input<float>({d, 2, 2}, Small({d, 2, 2}, 6));
  } else {
    test.NoInput().NoInput();
  }
  if ((optional & kPeepholes) != 0) test.Weight<float>({d, 6}, Small({d, 6}, 7));
  return test;
}

TEST(Lstm, StartsFromZeroWithoutStates) {
  Lstm(1, kNone)
      .ExpectOutput<float>({3, 1, 2, 2}, {0.003584892f, 0.01208826f, -0.03671985f, -0.009897047f,
                                          -0.004792568f, 0.02948472f, 0.0252104f, -0.02801193f,
                                          -0.01855441f, 0.05066121f, 0.03882149f, -0.03172609f})
      .ExpectOutput<float>({1, 2, 2}, {-0.01855441f, 0.05066121f, 0.03882149f, -0.03172609f})
      .ExpectOutput<float>({1, 2, 2}, {-0.03853752f, 0.09936135f, 0.08166225f, -0.06273845f})
      .Run();
}

TEST(Lstm, RunsBothDirectionsWithEveryInput) {
  for (const Cut bias : {Cut::kRows, Cut::kColumns}) {
    Lstm(2, kBias | kLengths | kStates | kPeepholes, bias)
        .Attr("direction", "bidirectional")
        .ExpectOutput<float>({3, 2, 2, 2}, {-0.1031961f,
                                            0.03450092f,
                                            -0.01967806f,
                                            -0.06693692f,
                                            0.1850905f,
                                            -0.01308473f,
                                            0.1437376f,
                                            -0.06326099f,
                                            -0.135433f,
                                            0.07278581f,
                                            -0.0505185f,
                                            -0.02987985f,
                                            0.1541809f,
                                            -0.01302676f,
                                            0.1650983f,
                                            -0.01546962f,
                                            -0.1556872f,
                                            0.104916f,
                                            0,
                                            0,
                                            0.07403786f,
                                            0.01193396f,
                                            0,
                                            0})
        .ExpectOutput<float>({2, 2, 2}, {-0.1556872f, 0.104916f, -0.0505185f, -0.02987985f,
                                         0.1850905f, -0.01308473f, 0.1437376f, -0.06326099f})
        .ExpectOutput<float>({2, 2, 2}, {-0.437371f, 0.220883f, -0.1449549f, -0.0612691f,
                                         0.3272279f, -0.02047002f, 0.2667618f, -0.08955353f})
        .Run();
  }
}

TEST(Lstm, RunsBackwardsFromEachSequencesEnd) {
  Lstm(1, kBias | kLengths | kStates)
      .Attr("direction", "reverse")
      .ExpectOutput<float>({3, 1, 2, 2},
                           {-0.1414264f, 0.08755068f, -0.0911425f, -0.02357343f, -0.1377419f,
                            0.082003f, 0.03337837f, -0.07723333f, -0.1106806f, 0.0582005f, 0, 0})
      .ExpectOutput<float>({1, 2, 2}, {-0.1414264f, 0.08755068f, -0.0911425f, -0.02357343f})
      .UnwantedOutput()
      .Run();
}

TEST(Lstm, ClipsWhatActivationsGet) {
  Lstm(1, kBias | kStates)
      .Attr("clip", 0.2f)
      .UnwantedOutput()
      .ExpectOutput<float>({1, 2, 2}, {-0.1006946f, 0.07556843f, -0.06660786f, 0.003606648f})
      .ExpectOutput<float>({1, 2, 2}, {-0.2275299f, 0.1565811f, -0.1490571f, 0.007408049f})
      .Run();
}

TEST(Lstm, CouplesInputAndForgetGates) {
  Lstm(1, kBias | kStates | kPeepholes)
      .Attr("input_forget", 1)
      .UnwantedOutput()
      .ExpectOutput<float>({1, 2, 2}, {-0.1344419f, 0.1051099f, -0.07743464f, 0.002716459f})
      .ExpectOutput<float>({1, 2, 2}, {-0.3762136f, 0.2208297f, -0.2195519f, 0.005600173f})
      .Run();
}

TEST(Lstm, TakesActivationsAndTheirParametersInOrder) {
  Lstm(1, kBias | kStates)
      .Attr("activations", std::vector<std::string>{"HardSigmoid", "ScaledTanh", "Affine"})
      .Floats("activation_alpha", {0.3f, 0.9f, 0.5f})
      .Floats("activation_beta", {0.4f, 0.8f, 0.1f})
      .UnwantedOutput()
      .ExpectOutput<float>({1, 2, 2}, {-0.005901632f, 0.05866162f, 0.009612316f, 0.0372656f})
      .ExpectOutput<float>({1, 2, 2}, {-0.2563613f, 0.09888609f, -0.105849f, -0.004647656f})
      .Run();
  Lstm(1, kBias | kStates)
      .Attr("activations", std::vector<std::string>{"sigmoid", "leakyrelu", "softsign"})
      .Floats("activation_alpha", {0.3f})
      .UnwantedOutput()
      .ExpectOutput<float>({1, 2, 2}, {-0.05114364f, 0.0830442f, -0.007096335f, -0.002037888f})
      .ExpectOutput<float>({1, 2, 2}, {-0.1718895f, 0.2041679f, -0.0211833f, -0.004175775f})
      .Run();
}

// [a, b, rest] to [b, a, rest].
std::vector<float> SwapFirstAxes(const std::vector<float>& values, size_t a, size_t b) {
  const size_t rest = values.size() / (a * b);
  std::vector<float> swapped(values.size());
  for (size_t i = 0; i < a; ++i) {
    for (size_t j = 0; j < b; ++j) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>((i * b + j) * rest), rest,
                  swapped.begin() + static_cast<std::ptrdiff_t>((j * a + i) * rest));
    }
  }
  return swapped;
}

TEST(Lstm, GivesTheSameInBatchFirstLayoutAndWithOpenWeights) {
  EXPECT_TRUE(rc::check([] {
    const auto steps = *rc::gen::inRange<size_t>(1, 6);
    const auto batch = *rc::gen::inRange<size_t>(1, 5);
    const auto inputs = *rc::gen::inRange<int64_t>(1, 40);
    const auto hidden = *rc::gen::inRange<int64_t>(1, 70);
    const auto t = static_cast<int64_t>(steps), n = static_cast<int64_t>(batch);
    const auto random = [](const Shape& shape, uint64_t seed) {
      return RandomValues(*ElementCount(shape), seed);
    };
    const auto x = random({t, n, inputs}, 1), h = random({2, n, hidden}, 5);
    const auto c = random({2, n, hidden}, 6);
    const auto run = [&](bool batch_first, bool sealed) {
      OpTester test("LSTM", 14);
      test.Attr("direction", "bidirectional").Attr("layout", int{batch_first});
      const auto add = [&](const Shape& shape, uint64_t seed) {
        if (sealed) test.Weight<float>(shape, random(shape, seed), 1 + seed % 2);
        if (!sealed) test.Constant<float>(shape, random(shape, seed));
      };
      if (batch_first) {
        test.Input<float>({n, t, inputs}, SwapFirstAxes(x, steps, batch));
      } else {
        test.Input<float>({t, n, inputs}, x);
      }
      add({2, 4 * hidden, inputs}, 2);
      add({2, 4 * hidden, hidden}, 3);
      add({2, 8 * hidden}, 4);
      test.NoInput();
      for (const auto& state : {h, c}) {
        if (batch_first) test.Input<float>({n, 2, hidden}, SwapFirstAxes(state, 2, batch));
        if (!batch_first) test.Input<float>({2, n, hidden}, state);
      }
      auto outputs = test.Outputs(3);
      RC_ASSERT(outputs.has_value());
      return *std::move(outputs);
    };
    const auto plain = run(false, false), sealed = run(false, true), swapped = run(true, true);
    for (size_t i = 0; i < 3; ++i) {
      RC_ASSERT(plain[i].Values<float>() == sealed[i].Values<float>());
    }
    const auto state = SwapFirstAxes(plain[1].Values<float>(), 2, batch);
    const auto got = swapped[1].Values<float>();
    for (size_t i = 0; i < state.size(); ++i) RC_ASSERT(std::abs(state[i] - got[i]) < 1e-4f);
    RC_ASSERT(swapped[0].shape == (Shape{n, t, 2, hidden}));
  }));
}

TEST(Lstm, TakesNoSequencesAndNoSteps) {
  for (const auto& [steps, batch] : {std::pair<int64_t, int64_t>{0, 2}, {3, 0}}) {
    const auto states = static_cast<size_t>(batch);
    OpTester("LSTM", 14)
        .Input<float>({steps, batch, 2}, {})
        .Weight<float>({1, 4, 2}, std::vector<float>(8))
        .Weight<float>({1, 4, 1}, std::vector<float>(4))
        .ExpectOutput<float>({steps, 1, batch, 1}, {})
        .ExpectOutput<float>({1, batch, 1}, std::vector<float>(states))
        .Run();
  }
}

TEST(Lstm, RefusesWhatDoesNotFit) {
  Lstm(1, kBias).Attr("direction", "sideways").ExpectError("attribute_invalid");
  Lstm(1, kBias).Attr("layout", 2).ExpectError("attribute_invalid");
  Lstm(1, kBias).Attr("clip", -1.0f).ExpectError("attribute_invalid");
  Lstm(1, kBias).Attr("hidden_size", 0).ExpectError("attribute_invalid");
  Lstm(1, kBias).Attr("hidden_size", 3).ExpectError("shape_invalid");
  Lstm(1, kBias).Attr("direction", "bidirectional").ExpectError("shape_invalid");
  Lstm(1, kBias)
      .Attr("activations", std::vector<std::string>{"Sigmoid", "Tanh"})
      .ExpectError("attribute_invalid");
  Lstm(1, kBias)
      .Attr("activations", std::vector<std::string>{"Sigmoid", "Tanh", "Swish"})
      .ExpectError("attribute_invalid");
  const auto with_lengths = [](std::vector<int32_t> lengths) {
    OpTester test("LSTM", 14);
    test.Input<float>({3, 2, 2}, std::vector<float>(12));
    test.Input<float>({1, 8, 2}, std::vector<float>(16));
    test.Input<float>({1, 8, 2}, std::vector<float>(16)).NoInput();
    const auto count = static_cast<int64_t>(lengths.size());
    return test.Input<int32_t>({count}, lengths);
  };
  with_lengths({3, 0}).Outputs().value();
  with_lengths({4, 1}).ExpectError("input_invalid");
  with_lengths({-1, 1}).ExpectError("input_invalid");
  with_lengths({1}).ExpectError("shape_invalid");
}

}  // namespace
}  // namespace ephemeralml::engine::kernels
