// Nothing grows: after 1,000 requests in one session, and after 300 sessions of which a third were
// cut off midway, every process is as it was after the first tenth.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <ostream>
#include <random>
#include <thread>

#include "client/session/messages.h"
#include "client/session/tunnel.h"
#include "common/wire/frame.h"
#include "tests/e2e/small_models.h"

namespace ephemeralml {
namespace {

using testing_support::CommandOf;
using testing_support::FiguresOf;
using testing_support::ProcessFigures;
using testing_support::SmallModel;
using testing_support::SplitModel;
using testing_support::System;

constexpr uint64_t kAllowedGrowth = 1 << 20;
constexpr auto kPatience = std::chrono::seconds(20);
constexpr unsigned kSeed = 2027;

// By command and, of those with the same command, by pid.
using Census = std::vector<std::pair<std::string, ProcessFigures>>;

Census Take(System& system) {
  Census census = {{"host", FiguresOf(system.host().pid())}};
  auto family = system.enclave().Family();
  std::ranges::sort(family);
  for (const pid_t pid : family) {
    const std::string command = pid == system.enclave().pid() ? "supervisor" : CommandOf(pid);
    census.emplace_back(command, FiguresOf(pid));
  }
  std::ranges::stable_sort(census, {}, &Census::value_type::first);
  return census;
}

bool Sleeps(const Census& census) {
  return std::ranges::all_of(census, [](const auto& each) { return each.second.state == 'S'; });
}

uint64_t Ticks(const Census& census) {
  uint64_t ticks = 0;
  for (const auto& each : census) ticks += each.second.processor_ticks;
  return ticks;
}

// The census once `processes` processes have nothing to do for a while.
Census TakeAtRest(System& system, size_t processes) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Census census = Take(system);
  for (int quiet = 0; quiet < 10 && std::chrono::steady_clock::now() < until;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    Census next = Take(system);
    const bool rests = next.size() == processes && Sleeps(next) && Ticks(next) == Ticks(census);
    quiet = rests ? quiet + 1 : 0;
    census = std::move(next);
  }
  return census;
}

// What is more, or other, than it was. The PSS shares files' pages out among all who map them, so
// it grows when a neighbour on the machine ends. Its own part does not, and the RSS, which counts
// those pages whole, bounds the rest from above: both must stay.
std::vector<std::string> Growth(const Census& before, const Census& after) {
  std::vector<std::string> growth;
  if (before.size() != after.size()) growth.push_back("the number of processes");
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    const std::string& command = before[i].first;
    const auto& was = before[i].second;
    const auto& [command_after, is] = after[i];
    const auto report = [&](const char* what, uint64_t a, uint64_t b) {
      growth.push_back(command + ": " + what + " " + std::to_string(a) + " -> " +
                       std::to_string(b));
    };
    if (command != command_after) growth.push_back(command + " became " + command_after);
    if (is.state == 'Z') growth.push_back(command + " is a zombie");
    if (is.rss_bytes > was.rss_bytes + kAllowedGrowth) report("RSS", was.rss_bytes, is.rss_bytes);
    if (is.own_bytes > was.own_bytes + kAllowedGrowth) {
      report("own memory", was.own_bytes, is.own_bytes);
    }
    if (is.descriptors != was.descriptors) report("descriptors", was.descriptors, is.descriptors);
    if (is.threads != was.threads) report("threads", was.threads, is.threads);
    if (is.memory_files != was.memory_files) {
      report("memory files", was.memory_files, is.memory_files);
    }
  }
  return growth;
}

void Print(const char* when, const Census& census) {
  for (const auto& [command, is] : census) {
    printf(
        "%s: %-27s PSS %6lu KiB, own %6lu KiB, RSS %6lu KiB, %lu descriptors, %lu threads, %lu "
        "memory files\n",
        when, command.c_str(), is.pss_bytes / 1024, is.own_bytes / 1024, is.rss_bytes / 1024,
        is.descriptors, is.threads, is.memory_files);
  }
}

// Runs 10 tenths and compares the end with the first. Neighbours on the machine may disturb a
// census; what has really grown doesn't shrink again by waiting.
void ExpectNoGrowth(System& system, size_t processes, const std::function<void()>& tenth) {
  tenth();
  const Census before = TakeAtRest(system, processes);
  Print("after the first tenth", before);
  for (int i = 1; i < 10; ++i) {
    tenth();
    if (testing::Test::HasFatalFailure()) return;
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Census after = TakeAtRest(system, processes);
  while (!Growth(before, after).empty() && std::chrono::steady_clock::now() < until) {
    after = TakeAtRest(system, processes);
  }
  Print("at the end", after);
  EXPECT_THAT(Growth(before, after), testing::IsEmpty());
}

class Soak : public testing::Test {
 protected:
  System system_{System::Options{.enclave_arguments = {"--threads", "2"}}};
};

TEST_F(Soak, AThousandRequestsInOneSession) {
  const SmallModel dense = testing_support::DenseModel();
  const SmallModel convolution = testing_support::ConvolutionModel();
  const SplitModel dense_split = testing_support::Install(system_, dense);
  const SplitModel convolution_split = testing_support::Install(system_, convolution);
  session::Session session = system_.Connect().value();
  std::mt19937 random(kSeed);
  ExpectNoGrowth(system_, 5, [&] {
    for (int i = 0; i < 90; ++i) {
      const auto length = static_cast<int64_t>(1 + random() % 64);
      ASSERT_TRUE(session.Infer(dense_split.topology, InputFor(dense, length)));
    }
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(session.Infer(convolution_split.topology, InputFor(convolution, 2)));
      auto refused = InputFor(dense, 1);
      refused[0].shape.push_back(1);
      ASSERT_FALSE(session.Infer(dense_split.topology, refused));
    }
  });
}

// A session that ends without a word, at a moment that `random` chooses.
void CutOff(const System& system, const SecretBytes& request, std::mt19937& random) {
  const auto deadline = net::After(10'000);
  const session::SessionSettings settings = system.Settings();
  const uint64_t moment = random() % 5;
  if (moment == 0) {  // in the middle of the handshake
    UniqueFd tunnel = session::OpenTunnel(settings.host, settings.enclave_name, deadline).value();
    ASSERT_TRUE(net::SendAll(tunnel.Get(), Bytes(random() % 20, 0x16), deadline));
    return;
  }
  if (moment == 1) {  // before the nonce
    UniqueFd tunnel = session::OpenTunnel(settings.host, settings.enclave_name, deadline).value();
    ASSERT_TRUE(channel::Channel::Connect(std::move(tunnel), deadline));
    return;
  }
  session::Presented presented = session::AskForEvidence(settings).value();
  if (moment == 2) return;  // after the evidence
  if (moment == 3) {        // in the middle of the request
    ASSERT_TRUE(presented.channel.SendRaw(wire::EncodeFrameHeader(request.size()), deadline));
    const size_t part = random() % request.size();
    ASSERT_TRUE(presented.channel.SendRaw(request.Reveal().first(part), deadline));
    return;
  }
  ASSERT_TRUE(presented.channel.SendMessage(request.Reveal(), deadline));  // before the reply
  std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
}

TEST_F(Soak, ThreeHundredSessionsOfWhichAThirdAreCutOff) {
  const SmallModel dense = testing_support::DenseModel();
  const SplitModel split = testing_support::Install(system_, dense);
  const SecretBytes request = session::EncodeRequest(split.topology, InputFor(dense, 64)).value();
  const auto policy = system_.Policy();
  std::mt19937 random(kSeed);
  ExpectNoGrowth(system_, 4, [&] {
    for (int i = 0; i < 30; ++i) {
      if (i % 3 == 2) {
        CutOff(system_, request, random);
        continue;
      }
      auto session = session::Session::Open(system_.Settings(), policy, system_.Root());
      ASSERT_TRUE(session.has_value()) << session.error().what;
      ASSERT_TRUE(session->Infer(split.topology, InputFor(dense, 64)));
      session->Close();
    }
  });
}

}  // namespace
}  // namespace ephemeralml
