// Property 10: after each reply and each failure, all that lifetime `request` says is gone is gone
// from the worker's whole memory. And the search that says so does find what is there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <set>
#include <thread>

#include "common/crypto/kdf.h"
#include "common/wire/topology.pb.h"
#include "tests/e2e/small_models.h"
#include "tests/support/process_memory.h"

namespace ephemeralml {
namespace {

using testing_support::Canary;
using testing_support::FindInMemory;
using testing_support::FrozenProcess;
using testing_support::SmallModel;
using testing_support::SplitModel;
using testing_support::System;

constexpr size_t kCanaryBytes = 16;
constexpr size_t kCanariesOfARequest = 6;

Bytes Repeated(uint32_t bits) {
  Bytes bytes(kCanaryBytes);
  for (size_t at = 0; at < bytes.size(); at += sizeof bits) {
    std::memcpy(bytes.data() + at, &bits, sizeof bits);
  }
  return bytes;
}

Bytes Text(std::string_view text) { return {text.begin(), text.end()}; }

// What the client sends and the blob holds, in every form in which the worker sees it.
std::vector<Canary> CanariesOf(const SplitModel& model) {
  wire::Topology topology;
  const ByteSpan bytes = model.topology.Reveal();
  CHECK(topology.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  const wire::Blob& blob = topology.blob();
  const SecretBytes key = crypto::HkdfSha384(SecretBytes::CopyOf(AsBytes(blob.secret())),
                                             AsBytes(blob.id()), "EphemeralML weight blob 1", 32);
  const ByteSpan key_bytes = key.Reveal();
  return {{"input name", Text(testing_support::kInputName)},
          {"dimension name", Text(testing_support::kDimensionName)},
          {"inputs", Repeated(testing_support::kInputBits)},
          {"weights", Repeated(testing_support::kWeightBits)},
          {"model's secret", Text(blob.secret())},
          {"blob's key", Bytes(key_bytes.begin(), key_bytes.end())}};
}

Canary CanaryOf(const tensors::NamedTensor& output) {
  const ByteSpan bytes = output.data.Reveal().first(kCanaryBytes);
  CHECK(std::ranges::count(bytes, 0) < 4);
  return {"outputs", Bytes(bytes.begin(), bytes.end())};
}

void AwaitIdle(pid_t pid) {
  for (int quiet = 0; quiet < 20;) {
    quiet = testing_support::FiguresOf(pid).state == 'S' ? quiet + 1 : 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::vector<std::string> Residues(pid_t worker, const std::vector<Canary>& canaries) {
  AwaitIdle(worker);
  const FrozenProcess frozen(worker);
  return FindInMemory(worker, canaries);
}

class WorkerMemory : public testing::TestWithParam<int> {
 protected:
  static SmallModel MakeModel() {
    if (GetParam() == 0) return testing_support::DenseModel();
    return GetParam() == 1 ? testing_support::ConvolutionModel() : testing_support::LstmModel();
  }
  // Long enough to be caught in the middle.
  static int64_t Length() { return GetParam() == 1 ? 30 : 4000; }
  // Of more bytes than the session may use.
  static int64_t TooLong() { return GetParam() == 0 ? 100'000 : GetParam() == 1 ? 600 : 400'000; }

  const SmallModel model_ = MakeModel();
  const System system_{{.enclave_arguments = {"--threads", "2", "--session-memory", "150000000"}}};
  const SplitModel split_ = testing_support::Install(system_, model_);
};

TEST_P(WorkerMemory, HoldsNothingOfARequestOnceItsReplyHasCome) {
  std::vector<Canary> canaries = CanariesOf(split_);
  const pid_t worker = system_.SpareWorker();  // now it is; the session's it will be
  session::Session session = system_.Connect().value();

  auto answer = std::async(std::launch::async, [&] {
    return session.Infer(split_.topology, InputFor(model_, Length()));
  });
  std::set<std::string> seen;
  while (seen.size() < kCanariesOfARequest &&
         answer.wait_for(std::chrono::milliseconds(2)) != std::future_status::ready) {
    const FrozenProcess frozen(worker);
    for (const Canary& canary : canaries) {
      if (!FindInMemory(worker, {canary}).empty()) seen.insert(canary.name);
    }
  }
  EXPECT_THAT(seen, testing::IsSupersetOf({"input name", "inputs", "weights", "model's secret"}))
      << "the search doesn't find what a running request holds";

  const auto answered = answer.get();
  ASSERT_TRUE(answered.has_value()) << answered.error().what;
  canaries.push_back(CanaryOf(answered->outputs.at(0)));
  EXPECT_THAT(Residues(worker, canaries), testing::IsEmpty());
}

TEST_P(WorkerMemory, HoldsNothingOfARequestThatFailed) {
  const std::vector<Canary> canaries = CanariesOf(split_);
  const pid_t worker = system_.SpareWorker();  // now it is; the session's it will be
  session::Session session = system_.Connect().value();
  ASSERT_TRUE(session.Infer(split_.topology, InputFor(model_, 2)).has_value());

  auto inputs = InputFor(model_, 2);
  inputs[0].shape.push_back(1);
  EXPECT_EQ(session.Infer(split_.topology, inputs).error().reason, "input_mismatch");
  EXPECT_THAT(Residues(worker, canaries), testing::IsEmpty());

  EXPECT_EQ(session.Infer(split_.topology, InputFor(model_, TooLong())).error().reason,
            "session_memory_exceeded");
  EXPECT_THAT(Residues(worker, canaries), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Kernels, WorkerMemory, testing::Values(0, 1, 2), [](const auto& each) {
  return std::string(each.param == 0 ? "Dense" : each.param == 1 ? "Convolution" : "Lstm");
});

}  // namespace
}  // namespace ephemeralml
