// A prepared graph answers as the model's own does, through all three processes.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/e2e/comparison.h"
#include "tests/e2e/networks.h"
#include "tests/support/reference.h"
#include "tests/support/system.h"

namespace ephemeralml {
namespace {

using testing_support::ReferenceCase;

class PreparedModel : public testing::TestWithParam<const char*> {};

TEST_P(PreparedModel, AnswersAsTheModelItselfDoes) {
  Comparison comparison(testing_support::ModelsFolder() / (std::string(GetParam()) + ".onnx"));
  for (const ReferenceCase& each : testing_support::ReferenceCases(GetParam())) {
    comparison.Compare(each.inputs, each.name);
  }
}

INSTANTIATE_TEST_SUITE_P(Real, PreparedModel,
                         testing::Values("ocr_recognition", "ocr_detection", "ocr_orientation",
                                         "silero_vad_v5"),
                         [](const auto& each) { return std::string(each.param); });

std::filesystem::path Store(const testing_support::TemporaryFolder& folder,
                            const Network& network) {
  const auto path = folder.path() / "network.onnx";
  std::ofstream(path, std::ios::binary) << AsText(network.onnx);
  return path;
}

TEST(PreparedNetwork, AnEncoderAnswersAsBefore) {
  const testing_support::TemporaryFolder folder;
  const Network network = Encoder();
  Comparison comparison(Store(folder, network));
  EXPECT_EQ(comparison.CountOf("Attention"), 2U);
  EXPECT_EQ(comparison.CountOf("LayerNormalization"), 4U);
  EXPECT_EQ(comparison.CountOf("MatMuls"), 2U) << "of queries, keys and values";
  EXPECT_EQ(comparison.CountOf("MatMul"), 6U);
  EXPECT_EQ(comparison.NodesOf(true), 14U) << "a part of a pattern is left";
  comparison.Compare(network.inputs, "encoder");
}

TEST(PreparedNetwork, BranchesThatShareTheirWeightsAnswerAsBefore) {
  const testing_support::TemporaryFolder folder;
  Comparison comparison(Store(folder, Branches(true)));
  EXPECT_EQ(comparison.CountOf("Attention"), 4U);
  EXPECT_EQ(comparison.CountOf("MatMuls"), 4U);
  EXPECT_EQ(comparison.NodesOf(true), 2 * 14 + 2U) << "a part of a pattern is left";
  comparison.Compare(Branches(true).inputs, "then");
  comparison.Compare(Branches(false).inputs, "else");
}

TEST(PreparedNetwork, AnImageClassifierAnswersAsBefore) {
  const testing_support::TemporaryFolder folder;
  const Network network = ImageClassifier();
  Comparison comparison(Store(folder, network));
  EXPECT_EQ(comparison.CountOf("Conv"), 7U);
  EXPECT_EQ(comparison.CountOf("PointwiseDepthwiseConv"), 1U);
  EXPECT_EQ(comparison.CountOf("FromBlocked"), 2U) << "something between left its blocks";
  comparison.Compare(network.inputs, "image classifier");
}

}  // namespace
}  // namespace ephemeralml
