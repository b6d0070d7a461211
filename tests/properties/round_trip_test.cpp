// Property 5 on generated models: through decomposer, sealed blob, host, enclave and channel, the
// answer is what plain loops over the model itself say.

#include <fstream>

#include "tests/properties/property.h"
#include "tests/properties/random_model.h"
#include "tests/support/system.h"

namespace ephemeralml::properties {
namespace {

using testing_support::SplitModel;
using testing_support::System;

constexpr size_t kMostNodes = 12;
constexpr int kCases = 100;

class Property5_RoundTrip : public testing::Test {
 protected:
  Property5_RoundTrip() : policy_(system_.Policy()), root_(system_.Root()) {}

  session::Session Connect() {
    return session::Session::Open(system_.Settings(), policy_, root_).value();
  }
  SplitModel Store(const RandomModel& model) {
    const auto path = system_.folder() / "model.onnx";
    std::ofstream(path, std::ios::binary) << AsText(model.onnx);
    SplitModel split = system_.Split(path);
    system_.Upload(split);
    return split;
  }

  System system_;
  verify::Policy policy_;
  verify::TrustRoot root_;
};

TEST_F(Property5_RoundTrip, AnswersAsPlainLoopsOverTheModelDo) {
  session::Session session = Connect();
  std::set<std::string> seen;
  CheckProperty(5, kCases, [&] {
    Recipe recipe = ArbitraryRecipe(kMostNodes);
    // Weights of many panels now and then.
    if (*rc::gen::inRange(0, 4) == 0) recipe.hidden = *rc::gen::inRange(1'000, 30'000);
    const RandomModel model = MakeRandomModel(recipe);
    const SplitModel split = Store(model);
    const auto answer = session.Infer(split.topology, model.inputs);
    if (!answer) RC_FAIL(std::string(answer.error().reason) + ": " + answer.error().what);
    const double disagreement = Disagreement(answer->outputs, model.expected);
    RC_LOG() << "disagreement " << disagreement << "\n";
    RC_ASSERT(disagreement <= 1.0);
    RC_ASSERT(answer->measured.bytes_wiped == answer->measured.bytes_opened);
    seen.insert(model.operators.begin(), model.operators.end());
  });
  // A generator that lost its variety would prove little.
  EXPECT_GE(seen.size(), 16U);
}

TEST_F(Property5_RoundTrip, OneBlobServesManyRequestsAndSessions) {
  const RandomModel model = MakeRandomModel({.seed = 7, .nodes = kMostNodes, .hidden = 9000});
  const SplitModel split = Store(model);
  for (int connection = 0; connection < 3; ++connection) {
    session::Session session = Connect();
    for (int request = 0; request < 3; ++request) {
      const auto answer = session.Infer(split.topology, model.inputs).value();
      EXPECT_LE(Disagreement(answer.outputs, model.expected), 1.0);
      EXPECT_GT(answer.measured.bytes_opened, 0U);
      EXPECT_EQ(answer.measured.bytes_wiped, answer.measured.bytes_opened);
    }
  }
}

// The comparison itself: a value off by one part in a thousand is a disagreement.
TEST_F(Property5_RoundTrip, AWrongValueWouldBeNoticed) {
  const RandomModel model = MakeRandomModel({.seed = 7, .nodes = kMostNodes});
  for (const Recipe& other :
       {Recipe{.seed = 8, .nodes = kMostNodes}, Recipe{.seed = 7, .nodes = 3}}) {
    EXPECT_GT(Disagreement(MakeRandomModel(other).expected, model.expected), 1.0);
  }
  RandomModel altered = MakeRandomModel({.seed = 7, .nodes = kMostNodes});
  EXPECT_LE(Disagreement(altered.expected, model.expected), 1.0);
  float value = 0;
  const MutableByteSpan bytes = altered.expected.at(0).data.Fill();
  std::memcpy(&value, bytes.data(), sizeof(value));
  value = value * 1.001F + 0.001F;
  std::memcpy(bytes.data(), &value, sizeof(value));
  EXPECT_GT(Disagreement(altered.expected, model.expected), 1.0);
}

}  // namespace
}  // namespace ephemeralml::properties
