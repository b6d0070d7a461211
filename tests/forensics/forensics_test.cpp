// Weights are open for moments, a piece at a time, and nothing of a request outlives its reply:
// seen from outside, in everything that a worker's memory holds, and by a search that is shown to
// see.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/forensics/memory_sampler.h"
#include "tests/forensics/watched_model.h"
#include "tests/support/process_memory.h"

namespace ephemeralml::forensics {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing_support::System;

constexpr int kSamplesDuring = 120;
// What is there for a moment may be missed so often.
constexpr int kMostSamplesDuring = 600;
constexpr int kSamplesAfter = 80;
constexpr double kMostLeftOut = 0.05;
constexpr uint64_t kSessionMemory = uint64_t{2} << 30;
constexpr uint64_t kLargestThreadStack = uint64_t{16} << 20;
constexpr uint64_t kLeastLeakedBytes = 240;
// Of a request and what comes between two.
constexpr int kLongestWaitUs = 60'000;
// Of what a request begins with: its message, and then what is looked up.
constexpr int kMessageUs = 500;
constexpr int kLookUpUs = 1'500;
constexpr const char* kTexts[] = {"inputs", "name", "model's secret", "blob's key",
                                  "topology as it is sent"};
constexpr uint8_t kInferenceKinds = kWeight | kActivation | kOutput | kText | kLookedUp;

// Printed, and taken from EPHEMERAL_FORENSICS_SEED if that is set.
uint32_t Seed() {
  const char* given = std::getenv("EPHEMERAL_FORENSICS_SEED");
  const uint32_t seed =
      given == nullptr ? std::random_device()() : static_cast<uint32_t>(std::stoul(given));
  fmt::print("EPHEMERAL_FORENSICS_SEED={}\n", seed);
  return seed;
}

void AwaitIdle(pid_t pid) {
  uint64_t ticks = 0;
  for (int quiet = 0; quiet < 10;) {
    const auto figures = testing_support::FiguresOf(pid);
    quiet = figures.state == 'S' && figures.processor_ticks == ticks ? quiet + 1 : 0;
    ticks = figures.processor_ticks;
    std::this_thread::sleep_for(milliseconds(2));
  }
}

// Constants of the program and its libraries; a process holds only those pages that it touched.
void ForgetWhatFilesHold(pid_t process, SecretBlocks& blocks) {
  std::set<std::string> files;
  for (const auto& mapping : testing_support::MappingsOf(process)) {
    if (mapping.name.starts_with("/")) files.insert(mapping.name);
  }
  for (const std::string& name : files) {
    std::ifstream file(name, std::ios::binary);
    const Bytes bytes(std::istreambuf_iterator<char>(file), {});
    const uint8_t* end = bytes.data() + bytes.size();
    for (const uint8_t* at = bytes.data(); end - at >= ptrdiff_t{sizeof(uint64_t)}; ++at) {
      if (blocks.Find(at, end) == 0) continue;
      uint64_t value;
      std::memcpy(&value, at, sizeof value);
      if (blocks.Knows(value)) blocks.Forget(value);
    }
  }
}

// Forgets what a worker that never saw the model holds too; how many blocks that were.
size_t ForgetWhatOthersHold(pid_t stranger, SecretBlocks& blocks) {
  const size_t before = blocks.size();
  ForgetWhatFilesHold(stranger, blocks);
  for (const Finding& finding : MemorySampler(stranger, blocks).Take().findings) {
    EXPECT_EQ(finding.kinds & kText, 0) << *finding.text;
    if (blocks.Knows(finding.value)) blocks.Forget(finding.value);
  }
  return before - blocks.size();
}

// Requests, one after the other, as long as it lives.
class Asking {
 public:
  Asking(session::Session& session, const WatchedModel& model)
      : thread_([this, &session, &model] {
          while (!stop_) {
            ++begun_;
            const auto answer = session.Infer(model.split.topology, model.inputs);
            if (!answer) {
              ADD_FAILURE() << answer.error().what;
              stop_ = true;
              return;
            }
            peak_ = std::max(peak_.load(), answer->measured.peak_plaintext_weight_bytes);
          }
        }) {}
  ~Asking() { Stop(); }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  /// Returns when the next request begins.
  void AwaitNext() const {
    for (const uint64_t seen = begun_; begun_ == seen && !stop_;) {
      std::this_thread::sleep_for(microseconds(20));
    }
  }
  /// The largest that a reply reported.
  uint64_t peak() const { return peak_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> begun_ = 0;
  std::atomic<uint64_t> peak_ = 0;
  std::thread thread_;
};

class Forensics : public testing::Test {
 protected:
  void Start(const std::string& program, const decompose::DecomposeOptions& options = {}) {
    system_ = std::make_unique<System>(System::Options{
        .enclave_arguments = {"--threads", "2", "--session-memory", std::to_string(kSessionMemory)},
        .enclave_program = program});
    if (!MayRead(system_->SpareWorker())) {
      GTEST_SKIP() << "skipped: only root with CAP_SYS_PTRACE may read a worker's memory";
    }
    model_ = Watch(*system_, options);
    const size_t strange = ForgetWhatOthersHold(system_->SpareWorker(), model_->blocks);
    const double left_out = static_cast<double>(model_->low_entropy_blocks + strange) /
                            static_cast<double>(model_->weight_blocks);
    fmt::print("{} blocks of weights, {} of low entropy and {} that others hold are left out\n",
               model_->weight_blocks, model_->low_entropy_blocks, strange);
    EXPECT_LE(left_out, kMostLeftOut);
    worker_ = system_->SpareWorker();  // now it is; the session's it will be
    session_ = std::make_unique<session::Session>(system_->Connect().value());
    sampler_ = std::make_unique<MemorySampler>(worker_, model_->blocks);
  }

  // The first answer also tells what the outputs look like.
  void Ask() {
    const auto answer = session_->Infer(model_->split.topology, model_->inputs);
    ASSERT_TRUE(answer.has_value()) << answer.error().what;
    model_->AddOutputs(answer->outputs);
  }

  // `kinds`: what must have been seen.
  void SampleDuring(std::mt19937& random, uint8_t kinds);
  void SampleAfter(std::mt19937& random);

  std::unique_ptr<System> system_;
  std::unique_ptr<WatchedModel> model_;
  std::unique_ptr<session::Session> session_;
  std::unique_ptr<MemorySampler> sampler_;
  pid_t worker_ = -1;
};

void Forensics::SampleDuring(std::mt19937& random, uint8_t kinds) {
  Asking asking(*session_, *model_);
  uint64_t most = 0;
  std::vector<uint64_t> open;
  uint8_t seen = 0;
  std::set<std::string> texts;
  uint64_t read = 0;
  const auto has_seen_all = [&] { return seen == kinds && texts.size() == std::size(kTexts); };
  int i = 0;
  for (; i < kSamplesDuring || (i < kMostSamplesDuring && !has_seen_all()); ++i) {
    // A message is read, and rows are looked up, in a hundredth of a request's time: a third of the
    // samples each looks for them.
    const bool is_begin = i % 3 != 0;
    const int longest = !is_begin ? kLongestWaitUs : i % 3 == 1 ? kMessageUs : kLookUpUs;
    if (is_begin) asking.AwaitNext();
    std::this_thread::sleep_for(
        microseconds(std::uniform_int_distribution<int>(0, longest)(random)));
    const Sample sample = sampler_->Take();
    open.push_back(sample.BytesOf(kWeight));
    most = std::max(most, open.back());
    read += sample.read_bytes;
    for (const Finding& finding : sample.findings) {
      seen |= finding.kinds;
      if (finding.text != nullptr) texts.insert(*finding.text);
    }
  }
  asking.Stop();
  const uint64_t peak = asking.peak();
  const auto half = std::ranges::count_if(open, [&](uint64_t each) { return each * 2 >= peak; });
  const auto some = std::ranges::count_if(open, [](uint64_t each) { return each > 0; });
  fmt::print(
      "{} samples of {} MB: open weights in {}, at least half of the reported {} bytes in "
      "{}, at most {} bytes\n",
      i, read / static_cast<uint64_t>(i) / 1'000'000, some, peak, half, most);
  EXPECT_GT(half, 0);
  EXPECT_LE(most, peak);
  EXPECT_EQ(seen, kinds);
  EXPECT_THAT(texts, testing::UnorderedElementsAreArray(kTexts));
}

void Forensics::SampleAfter(std::mt19937& random) {
  for (int i = 0; i < kSamplesAfter; ++i) {
    if (i % 4 == 0) {
      ASSERT_NO_FATAL_FAILURE(Ask());
      AwaitIdle(worker_);
    }
    std::this_thread::sleep_for(
        microseconds(std::uniform_int_distribution<int>(0, kLongestWaitUs / 4)(random)));
    const Sample sample = sampler_->Take();
    ASSERT_TRUE(sample.findings.empty()) << sample.Describe();
  }
}

TEST_F(Forensics, WeightsAreOpenForMomentsAndNothingOutlivesTheReply) {
  Start("ephemeralml-enclave");
  if (IsSkipped() || HasFatalFailure()) return;
  std::mt19937 random(Seed());
  Ask();
  SampleDuring(random, kInferenceKinds);
  AwaitIdle(worker_);
  SampleAfter(random);
}

// Kernels make floats of them, which are weights as well.
TEST_F(Forensics, HalvesAreOpenForMomentsAndNothingOutlivesTheReply) {
  Start("ephemeralml-enclave", {.weights = wire::ElementType::kBfloat16});
  if (IsSkipped() || HasFatalFailure()) return;
  std::mt19937 random(Seed());
  Ask();
  SampleDuring(random, kInferenceKinds | kExpanded);
  AwaitIdle(worker_);
  SampleAfter(random);
}

// By the kernel's name, else by the size of what has none.
std::string KindOfMemory(const std::string& mapping) {
  if (mapping == "[heap]") return "heap";
  if (mapping == "[stack]") return "stack";
  if (mapping.find("leaked") != std::string::npos) return "mapped file";
  size_t dash = 0;
  const uint64_t begin = std::stoull(mapping, &dash, 16);
  const uint64_t size = std::stoull(mapping.substr(dash + 1), nullptr, 16) - begin;
  return size >= kSessionMemory ? "arena" : size <= kLargestThreadStack ? "thread's stack" : "?";
}

TEST_F(Forensics, SeesALeakIntoEveryKindOfMemory) {
  Start(EPHEMERAL_LEAKY_ENCLAVE);
  if (IsSkipped() || HasFatalFailure()) return;
  Ask();
  AwaitIdle(worker_);
  std::map<std::string, uint64_t> leaked;
  const Sample sample = sampler_->Take();
  for (const Finding& finding : sample.findings) leaked[KindOfMemory(*finding.mapping)] += 8;
  for (const char* kind : {"heap", "stack", "thread's stack", "arena", "mapped file"}) {
    EXPECT_GE(leaked[kind], kLeastLeakedBytes) << kind << "\n" << sample.Describe();
  }
}

}  // namespace
}  // namespace ephemeralml::forensics
