// What a worker needs beside the sealed blob's pages: hardly more than the graph's own activations.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/e2e/small_models.h"

namespace ephemeralml {
namespace {

using testing_support::SmallModel;
using testing_support::SplitModel;
using testing_support::System;

constexpr uint64_t kBesideActivations = uint64_t{64} << 20;

// The kernel's peak of resident pages, without those of memory files. They stay mapped until the
// session ends, so from the second request on they are part of the peak. Source: proc(5),
// /proc/[pid]/status.
uint64_t PeakOwnBytes(pid_t worker) {
  std::ifstream status("/proc/" + std::to_string(worker) + "/status");
  std::string word;
  uint64_t peak = 0;
  uint64_t shared = 0;
  while (status >> word) {
    if (word == "VmHWM:") status >> peak;
    if (word == "RssShmem:") status >> shared;
  }
  CHECK(peak > shared);
  return (peak - shared) * 1024;
}

class PeakMemory : public testing::Test {
 protected:
  // `live_bytes`: the most that the graph's activations take at once, as
  // bench/live_activations.py counts them.
  void ExpectWithinBound(const SplitModel& model, std::span<const tensors::NamedTensor> inputs,
                         uint64_t live_bytes) {
    const pid_t worker = system_.SpareWorker();
    session::Session session = system_.Connect().value();
    for (int i = 0; i < 3; ++i) {
      const auto answer = session.Infer(model.topology, inputs);
      ASSERT_TRUE(answer.has_value()) << answer.error().what;
    }
    const uint64_t peak = PeakOwnBytes(worker);
    EXPECT_GT(peak, live_bytes / 2) << "this isn't the worker that answered";
    EXPECT_LE(peak, live_bytes * 6 / 5 + kBesideActivations);
  }

  const System system_{{.enclave_arguments = {"--threads", "2"}}};
};

TEST_F(PeakMemory, StaysBoundedWhereInputsAndOutputsAreAllThereIs) {
  const SmallModel model = testing_support::DenseModel();
  constexpr int64_t kRows = 40'000;
  const uint64_t value_bytes = kRows * static_cast<uint64_t>(model.shape.at(1)) * sizeof(float);
  const SplitModel split = testing_support::Install(system_, model);
  ExpectWithinBound(split, testing_support::InputFor(model, kRows), 2 * value_bytes);
}

TEST_F(PeakMemory, StaysBoundedInAConvolutionalNetwork) {
  const SplitModel split = system_.Split(testing_support::ModelsFolder() / "ocr_detection.onnx");
  system_.Upload(split);
  std::vector<tensors::NamedTensor> inputs(1);
  inputs[0].name = "x";
  inputs[0].type = wire::ElementType::kFloat;
  inputs[0].shape = {1, 3, 960, 960};
  inputs[0].data = SecretBytes(3 * 960 * 960 * sizeof(float));
  ExpectWithinBound(split, inputs, 88'473'600);
}

}  // namespace
}  // namespace ephemeralml
