// Weights in half precision: half the bytes to open, and answers as near as the type allows; the
// client says how near.

#include <gtest/gtest.h>

#include <fstream>

#include "client/cli/compare.h"
#include "tests/e2e/networks.h"
#include "tests/support/system.h"

namespace ephemeralml {
namespace {

using testing_support::System;

class HalfPrecision : public testing::TestWithParam<bool> {
 protected:
  HalfPrecision() : network_(GetParam() ? Encoder() : ImageClassifier()) {
    std::ofstream(folder_.path() / "network.onnx", std::ios::binary) << AsText(network_.onnx);
  }

  session::Answer Ask(const decompose::DecomposeOptions& options) {
    const auto split = system_.Split(folder_.path() / "network.onnx", options);
    system_.Upload(split);
    session::Session session = system_.Connect().value();
    (void)session.Infer(split.topology, network_.inputs).value();  // checks the blob once
    return session.Infer(split.topology, network_.inputs).value();
  }

  const Network network_;
  const testing_support::TemporaryFolder folder_;
  // One thread: two that take panels from each other may open a chunk twice.
  const System system_{{.enclave_arguments = {"--threads", "1"}}};
};

TEST_P(HalfPrecision, AnswersAreAsNearAsTheTypeAllows) {
  const auto exact = Ask({});
  const auto half = Ask({.weights = wire::ElementType::kFloat16});
  const auto brain = Ask({.weights = wire::ElementType::kBfloat16});
  const auto of_half = cli::Compare(half.outputs, exact.outputs).value();
  const auto of_brain = cli::Compare(brain.outputs, exact.outputs).value();
  ASSERT_FALSE(of_half.empty());
  for (size_t i = 0; i < of_half.size(); ++i) {
    const double scale = of_half[i].largest_reference;
    EXPECT_GT(of_half[i].largest, 0) << "nothing was rounded";
    EXPECT_LT(of_half[i].largest, scale * 0x1p-8);
    EXPECT_GT(of_brain[i].largest, of_half[i].largest);
    EXPECT_LT(of_brain[i].largest, scale * 0x1p-5);
  }
  EXPECT_LT(half.measured.bytes_opened, exact.measured.bytes_opened);
  EXPECT_EQ(half.measured.bytes_opened, half.measured.bytes_wiped);
}

TEST_P(HalfPrecision, ComputingInBfloat16IsAsNearAsItsFactorsAre) {
  const auto exact = Ask({});
  const auto brain = Ask({.compute = wire::ElementType::kBfloat16});
  const auto differences = cli::Compare(brain.outputs, exact.outputs).value();
  ASSERT_FALSE(differences.empty());
  for (const auto& each : differences) {
    EXPECT_EQ(each.largest > 0, each.output != "map") << "convolutions alone stay as they are";
    EXPECT_LT(each.largest, each.largest_reference * 0x1p-5);
  }
  EXPECT_LE(brain.measured.bytes_opened, exact.measured.bytes_opened);
  EXPECT_EQ(brain.measured.bytes_opened, brain.measured.bytes_wiped);
}

class ResidentHalves : public HalfPrecision {
 protected:
  void ExpectTheSame(const decompose::DecomposeOptions& options);
};

TEST_P(ResidentHalves, AnswerTheSame) { ExpectTheSame({.weights = wire::ElementType::kBfloat16}); }

TEST_P(ResidentHalves, ComputeTheSame) { ExpectTheSame({.compute = wire::ElementType::kBfloat16}); }

void ResidentHalves::ExpectTheSame(const decompose::DecomposeOptions& options) {
  const auto split = system_.Split(folder_.path() / "network.onnx", options);
  system_.Upload(split);
  session::Session session = system_.Connect().value();
  const auto streamed = session.Infer(split.topology, network_.inputs).value();
  const auto resident =
      session.Infer(split.topology, network_.inputs, session::Lifetime::kResident).value();
  const auto differences = cli::Compare(resident.outputs, streamed.outputs).value();
  ASSERT_FALSE(differences.empty());
  for (const auto& each : differences) {
    EXPECT_EQ(each.largest, 0) << each.output;
  }
}

std::string NameOf(const testing::TestParamInfo<bool>& each) {
  return each.param ? "Encoder" : "ImageClassifier";
}

INSTANTIATE_TEST_SUITE_P(Networks, HalfPrecision, testing::Bool(), NameOf);
INSTANTIATE_TEST_SUITE_P(Networks, ResidentHalves, testing::Bool(), NameOf);

}  // namespace
}  // namespace ephemeralml
