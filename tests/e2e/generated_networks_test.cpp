// The networks that are measured answer alike, prepared and as they are.

#include <gtest/gtest.h>

#include "client/cli/compare.h"
#include "tests/e2e/comparison.h"

namespace ephemeralml {
namespace {

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

}  // namespace
}  // namespace ephemeralml
