// Property 5 on real models: through decomposer, host and enclave, the answer is ONNX Runtime's.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/support/reference.h"
#include "tests/support/system.h"

namespace ephemeralml {
namespace {

using testing_support::Disagreement;
using testing_support::Named;
using testing_support::ReferenceCase;
using testing_support::System;

class Model : public testing::TestWithParam<const char*> {};

TEST_P(Model, AnswersAsOnnxRuntimeDoesThroughAllThreeProcesses) {
  const System system;
  const auto model =
      system.Split(testing_support::ModelsFolder() / (std::string(GetParam()) + ".onnx"));
  system.Upload(model);
  session::Session session = system.Connect().value();
  const std::vector<ReferenceCase> cases = testing_support::ReferenceCases(GetParam());
  ASSERT_GE(cases.size(), 6U);
  for (const ReferenceCase& each : cases) {
    const auto answer = session.Infer(model.topology, each.inputs);
    ASSERT_TRUE(answer.has_value()) << each.name << ": " << answer.error().what;
    for (const auto& reference : each.outputs) {
      EXPECT_LE(Disagreement(Named(answer->outputs, reference.name), reference), 1.0)
          << each.name << ", output " << reference.name;
    }
    EXPECT_GT(answer->measured.peak_plaintext_weight_bytes, 0U);
    EXPECT_EQ(answer->measured.bytes_wiped, answer->measured.bytes_opened);
  }
}

INSTANTIATE_TEST_SUITE_P(Real, Model,
                         testing::Values("ocr_recognition", "ocr_detection", "ocr_orientation",
                                         "silero_vad_v5"),
                         [](const auto& each) { return std::string(each.param); });

TEST(OcrModel, ReadsTheShippedImage) {
  const System system;
  const auto model = system.Split(testing_support::ModelsFolder() / "ocr_recognition.onnx");
  system.Upload(model);
  session::Session session = system.Connect().value();
  const auto cases = testing_support::ReferenceCases("ocr_recognition");
  const auto shipped = std::ranges::find(cases, "shipped_image", &ReferenceCase::name);
  ASSERT_NE(shipped, cases.end());
  const auto answer = session.Infer(model.topology, shipped->inputs).value();
  std::ifstream file(std::string(EPHEMERAL_SOURCE_DIR) + "/examples/ocr/expected.txt");
  std::string expected;
  std::getline(file, expected);
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(testing_support::ReadText(answer.outputs.at(0)), expected);
}

// The state of one window is the next one's input: errors would add up.
TEST(SileroModel, CarriesItsStateOverTenWindowsOfItsOwn) {
  const System system;
  const auto model = system.Split(testing_support::ModelsFolder() / "silero_vad_v5.onnx");
  system.Upload(model);
  session::Session session = system.Connect().value();
  const auto cases = testing_support::ReferenceCases("silero_vad_v5");
  for (const std::string rate : {"8000", "16000"}) {
    std::vector<tensors::NamedTensor> carried;
    int windows = 0;
    for (int window = 0; window < 10; ++window) {
      const auto each = std::ranges::find_if(cases, [&](const ReferenceCase& one) {
        return one.name.starts_with("sequence_" + rate + "hz_window_") &&
               one.name.ends_with("_" + std::to_string(window));
      });
      if (each == cases.end()) continue;
      ++windows;
      auto inputs = testing_support::Copy(each->inputs);
      for (auto& input : inputs) {
        if (input.name == "state" && !carried.empty()) input.data = carried[0].data.Duplicate();
      }
      auto answer = session.Infer(model.topology, inputs).value();
      EXPECT_LE(Disagreement(Named(answer.outputs, "output"), Named(each->outputs, "output")), 1.0)
          << each->name;
      carried = testing_support::Copy(std::span(&Named(answer.outputs, "stateN"), 1));
    }
    EXPECT_EQ(windows, 10) << rate;
  }
}

}  // namespace
}  // namespace ephemeralml
