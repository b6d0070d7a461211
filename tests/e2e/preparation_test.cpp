// A prepared graph answers as the model's own does, through all three processes.

#include <gtest/gtest.h>

#include <fstream>

#include "client/cli/compare.h"
#include "client/decompose/inspect.h"
#include "tests/e2e/networks.h"
#include "tests/support/reference.h"
#include "tests/support/system.h"

namespace ephemeralml {
namespace {

using testing_support::Disagreement;
using testing_support::Named;
using testing_support::ReferenceCase;
using testing_support::System;

using Tensors = std::vector<tensors::NamedTensor>;

// What both forms of a model answer.
class Comparison {
 public:
  explicit Comparison(const std::filesystem::path& model) {
    prepared_ = system_.Split(model);
    plain_ = system_.Split(model, {.preparation = false});
    system_.Upload(prepared_);
    system_.Upload(plain_);
  }

  /// Of the model as it is prepared, and as it is.
  struct Answers {
    Tensors prepared;
    Tensors plain;
  };

  Answers Ask(const Tensors& inputs) const {
    session::Session session = system_.Connect().value();
    auto prepared = session.Infer(prepared_.topology, inputs).value();
    auto plain = session.Infer(plain_.topology, inputs).value();
    return {std::move(prepared.outputs), std::move(plain.outputs)};
  }

  void Compare(const Tensors& inputs, const std::string& name) const {
    const auto [prepared, plain] = Ask(inputs);
    ASSERT_EQ(prepared.size(), plain.size());
    for (const auto& expected : plain) {
      EXPECT_LE(Disagreement(Named(prepared, expected.name), expected), 1.0)
          << name << ", output " << expected.name;
    }
  }

  /// How many nodes of that operator of ours the prepared form has.
  size_t CountOf(const std::string& op) const {
    const auto inspection = decompose::Inspect(prepared_.topology).value();
    const auto found = inspection.operators.find("ephemeralml::" + op);
    return found == inspection.operators.end() ? 0 : found->second;
  }
  size_t NodesOf(bool prepared) const {
    size_t nodes = 0;
    const auto inspection =
        decompose::Inspect(prepared ? prepared_.topology : plain_.topology).value();
    for (const auto& [op, count] : inspection.operators) nodes += count;
    return nodes;
  }

 private:
  System system_;
  testing_support::SplitModel prepared_;
  testing_support::SplitModel plain_;
};

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

struct GeneratedCase {
  const char* name;
  const char* model;

  friend void PrintTo(const GeneratedCase& each, std::ostream* out) { *out << each.name; }
};

class GeneratedNetwork : public testing::TestWithParam<GeneratedCase> {};

// As far from each other as scripts/bench lets them be from the peer's: sums of thousands of
// products round in another order.
TEST_P(GeneratedNetwork, AnswersAsTheModelItselfDoes) {
  constexpr double kFarthest = 1e-5;
  const Comparison comparison(testing_support::GeneratedModel(GetParam().model));
  const auto [prepared, plain] = comparison.Ask(testing_support::GeneratedInputs(GetParam().name));
  const auto differences = cli::Compare(prepared, plain).value();
  ASSERT_EQ(differences.size(), plain.size());
  for (const auto& each : differences) {
    EXPECT_LE(each.largest, kFarthest * std::max(1.0, each.largest_reference)) << each.output;
    EXPECT_GT(each.largest, 0) << "nothing was prepared";
  }
}

INSTANTIATE_TEST_SUITE_P(Benchmarked, GeneratedNetwork,
                         testing::Values(GeneratedCase{"minilm_seq128", "minilm_l6"},
                                         GeneratedCase{"bert_base_seq128", "bert_base"},
                                         GeneratedCase{"encoder_530mb_seq128", "encoder_530mb"},
                                         GeneratedCase{"resnet50", "resnet50"},
                                         GeneratedCase{"mobilenet_v2", "mobilenet_v2"}),
                         [](const auto& each) { return std::string(each.param.name); });

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
  EXPECT_EQ(comparison.CountOf("Conv"), 8U);
  EXPECT_EQ(comparison.CountOf("DepthwiseConv"), 1U);
  EXPECT_EQ(comparison.CountOf("FromBlocked"), 2U) << "something between left its blocks";
  comparison.Compare(network.inputs, "image classifier");
}

}  // namespace
}  // namespace ephemeralml
