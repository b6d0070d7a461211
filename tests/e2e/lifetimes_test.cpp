// What lifetimes `session` and `resident` keep in a worker between two requests, and what they say
// of it; that nothing else stays; and that it goes when a request asks for another lifetime or
// fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>

#include "client/session/messages.h"
#include "common/wire/frame.h"
#include "common/wire/topology.pb.h"
#include "tests/e2e/small_models.h"
#include "tests/support/process_memory.h"

namespace ephemeralml {
namespace {

using session::Lifetime;
using testing_support::Canary;
using testing_support::SmallModel;
using testing_support::SplitModel;
using testing_support::System;

constexpr int64_t kLength = 16;

Bytes Repeated(uint32_t bits) {
  Bytes bytes(16);
  for (size_t at = 0; at < bytes.size(); at += sizeof bits) {
    std::memcpy(bytes.data() + at, &bits, sizeof bits);
  }
  return bytes;
}

Bytes Text(std::string_view text) { return {text.begin(), text.end()}; }

bool SameOutputs(const session::Answer& a, const session::Answer& b) {
  return a.outputs.size() == 1 && b.outputs.size() == 1 &&
         std::ranges::equal(a.outputs[0].data.Reveal(), b.outputs[0].data.Reveal());
}

class Lifetimes : public testing::Test {
 protected:
  Lifetimes() : worker_(system_.SpareWorker()), session_(system_.Connect().value()) {}

  session::Answer Ask(Lifetime lifetime) {
    auto answer = session_.Infer(split_.topology, InputFor(model_, kLength), lifetime);
    EXPECT_TRUE(answer.has_value()) << answer.error().what;
    return std::move(answer).value();
  }

  void FailARequest(Lifetime lifetime) {
    auto inputs = InputFor(model_, kLength);
    inputs[0].shape.push_back(1);
    EXPECT_EQ(session_.Infer(split_.topology, inputs, lifetime).error().reason, "input_mismatch");
  }

  // Names of what the idle worker holds.
  std::set<std::string> Held() const {
    for (int quiet = 0; quiet < 20;) {
      quiet = testing_support::FiguresOf(worker_).state == 'S' ? quiet + 1 : 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const std::vector<Canary> canaries = {
        {"dimension's name", Text(testing_support::kDimensionName)},
        {"inputs", Repeated(testing_support::kInputBits)},
        {"weights", Repeated(testing_support::kWeightBits)},
        {"model's secret", Text(Secret())}};
    const testing_support::FrozenProcess frozen(worker_);
    std::set<std::string> held;
    for (const Canary& canary : canaries) {
      if (!testing_support::FindInMemory(worker_, {canary}).empty()) held.insert(canary.name);
    }
    return held;
  }

  std::string Secret() const {
    wire::Topology topology;
    const ByteSpan bytes = split_.topology.Reveal();
    CHECK(topology.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    return topology.blob().secret();
  }

  uint64_t BlobBytes() const { return std::filesystem::file_size(split_.blob); }

  const SmallModel model_ = testing_support::DenseModel();
  const System system_{{.enclave_arguments = {"--threads", "2"}}};
  const SplitModel split_ = testing_support::Install(system_, model_);
  const pid_t worker_;
  session::Session session_;
};

TEST_F(Lifetimes, SessionKeepsThePlanAloneAndAnswersTheSame) {
  Ask(Lifetime::kRequest);  // opens the blob once more, to check it
  const auto once = Ask(Lifetime::kRequest);
  EXPECT_THAT(Held(), testing::IsEmpty());
  Ask(Lifetime::kSession);
  const auto again = Ask(Lifetime::kSession);  // without a topology
  EXPECT_TRUE(SameOutputs(once, again));
  // A thread that takes a panel of the other's opens the chunk at the panel's edge once more.
  const uint64_t opened = once.measured.bytes_opened;
  EXPECT_GE(again.measured.bytes_opened, opened - opened / 10);
  EXPECT_LE(again.measured.bytes_opened, opened + opened / 10);
  EXPECT_THAT(Held(), testing::ElementsAre("dimension's name"));
  Ask(Lifetime::kRequest);
  EXPECT_THAT(Held(), testing::IsEmpty());
}

TEST_F(Lifetimes, ResidentKeepsWeightsOpenAndSaysSo) {
  const auto once = Ask(Lifetime::kRequest);
  const auto first = Ask(Lifetime::kResident);
  EXPECT_GE(first.measured.peak_plaintext_weight_bytes, BlobBytes() * 99 / 100);
  EXPECT_THAT(Held(), testing::UnorderedElementsAre("dimension's name", "weights"));

  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto again = Ask(Lifetime::kResident);
  EXPECT_TRUE(SameOutputs(once, first));
  EXPECT_TRUE(SameOutputs(once, again));
  EXPECT_EQ(again.measured.bytes_opened, 0u);
  EXPECT_EQ(again.measured.chunks_opened, 0u);
  EXPECT_EQ(again.measured.bytes_wiped, 0u);
  EXPECT_GE(again.measured.peak_plaintext_weight_bytes, BlobBytes() * 99 / 100);
  EXPECT_GE(again.measured.longest_plaintext_us, 50'000u);
  EXPECT_LT(again.measured.longest_plaintext_us, 100'000'000u);
  EXPECT_LT(again.measured.peak_activation_bytes, BlobBytes());

  const auto closed = Ask(Lifetime::kSession);
  EXPECT_GE(closed.measured.bytes_wiped, closed.measured.bytes_opened + BlobBytes() * 99 / 100);
  EXPECT_THAT(Held(), testing::ElementsAre("dimension's name"));
  Ask(Lifetime::kResident);
  Ask(Lifetime::kRequest);
  EXPECT_THAT(Held(), testing::IsEmpty());
}

TEST_F(Lifetimes, AFailureKeepsNothingAndTheNextRequestSendsAllAgain) {
  for (const Lifetime lifetime : {Lifetime::kSession, Lifetime::kResident}) {
    const auto first = Ask(lifetime);
    FailARequest(lifetime);
    EXPECT_THAT(Held(), testing::IsEmpty());
    EXPECT_TRUE(SameOutputs(first, Ask(lifetime)));
  }
}

TEST_F(Lifetimes, AnotherModelTakesTheKeptOnesPlace) {
  const SmallModel other = testing_support::LstmModel();
  const SplitModel split = testing_support::Install(system_, other);
  const auto first = Ask(Lifetime::kResident);
  const auto answer = session_.Infer(split.topology, InputFor(other, 4), Lifetime::kResident);
  ASSERT_TRUE(answer.has_value()) << answer.error().what;
  EXPECT_LT(answer->measured.longest_plaintext_us, 60'000'000u);
  EXPECT_TRUE(SameOutputs(first, Ask(Lifetime::kResident)));
}

TEST_F(Lifetimes, ARequestWithoutATopologyNeedsAKeptPlan) {
  session::Presented fresh = session::AskForEvidence(system_.Settings()).value();
  const auto request =
      session::EncodeFurtherRequest(InputFor(model_, kLength), Lifetime::kSession).value();
  const net::Deadline deadline = net::After(20'000);
  ASSERT_TRUE(fresh.channel.SendMessage(request.Reveal(), deadline).has_value());
  const auto reply = fresh.channel.ReceiveMessage(wire::kLargestMessageBytes, deadline);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(session::DecodeReply(*reply).error().reason, "plan_missing");
}

}  // namespace
}  // namespace ephemeralml
