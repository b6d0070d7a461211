// The enclave's processes as processes: how they start, what they may do, how they end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "tests/e2e/small_models.h"
#include "tests/support/process_memory.h"

namespace ephemeralml {
namespace {

using testing_support::FiguresOf;
using testing_support::FrozenProcess;
using testing_support::SplitModel;
using testing_support::System;

constexpr int64_t kTimeoutMs = 20'000;

template <class Condition>
bool Await(Condition condition, int64_t timeout_ms = kTimeoutMs) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

bool Exists(pid_t pid) { return kill(pid, 0) == 0 && FiguresOf(pid).state != 'Z'; }

std::string FileOf(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The text after "NAME:" in /proc/PID/status.
std::string StatusOf(pid_t pid, const std::string& name) {
  std::istringstream lines(FileOf(pid, "status"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + ":")) continue;
    return line.substr(line.find_first_not_of(" \t", name.size() + 1));
  }
  return "absent";
}

// A session and the worker that serves it.
struct Served {
  session::Session session;
  pid_t worker;
};

Served Connect(const System& system, const std::vector<pid_t>& serving = {}) {
  const pid_t spare = system.SpareWorker(serving);
  return {system.Connect().value(), spare};
}

const System::Options kOneThread = {.enclave_arguments = {"--threads", "1"}};

class EnclaveProcess : public testing::Test {
 protected:
  EnclaveProcess() : EnclaveProcess(kOneThread) {}
  explicit EnclaveProcess(const System::Options& options) : system_(options) {}

  Result<session::Answer> Infer(session::Session& session) const {
    return session.Infer(model_.topology, InputFor(small_, 3));
  }
  std::future<Result<session::Answer>> InferAside(session::Session& session) const {
    return std::async(std::launch::async, [&] { return Infer(session); });
  }
  // True if the enclave's own port takes no connection any more.
  bool RefusesConnections() const {
    const auto address = net::Resolve({"127.0.0.1", system_.enclave_port()}).value();
    const auto connected = net::Connect(address, net::After(kTimeoutMs));
    return !connected && connected.error().reason == "connection_refused";
  }

  System system_;
  const testing_support::SmallModel small_ = testing_support::DenseModel();
  const SplitModel model_ = testing_support::Install(system_, small_);
};

TEST_F(EnclaveProcess, FinishesItsSessionsWhenItIsToldToStop) {
  Served served = Connect(system_);
  ASSERT_TRUE(Infer(served.session));
  std::future<Result<session::Answer>> answer;
  {
    const FrozenProcess frozen(served.worker);
    answer = InferAside(served.session);
    system_.enclave().Signal(SIGTERM);
    EXPECT_TRUE(Await([this] { return RefusesConnections(); }));
    EXPECT_TRUE(system_.enclave().IsRunning());
  }
  EXPECT_TRUE(answer.get().has_value());
  const auto family = system_.enclave().Family();
  served.session.Close();
  EXPECT_EQ(system_.enclave().Wait(kTimeoutMs), 0);
  for (const pid_t pid : family) EXPECT_FALSE(Exists(pid));
}

TEST_F(EnclaveProcess, StopsAtOnceWhenItIsToldTwice) {
  Served served = Connect(system_);
  const auto family = system_.enclave().Family();
  system_.enclave().Signal(SIGTERM);
  ASSERT_TRUE(system_.enclave().WaitForLog("draining", kTimeoutMs));
  EXPECT_TRUE(system_.enclave().IsRunning());
  system_.enclave().Signal(SIGTERM);
  EXPECT_EQ(system_.enclave().Wait(5000), 0);
  for (const pid_t pid : family) EXPECT_FALSE(Exists(pid));
  EXPECT_EQ(Infer(served.session).error().reason, "channel_broken");
}

TEST_F(EnclaveProcess, LeavesNoChildWhenItIsKilled) {
  Served served = Connect(system_);
  (void)system_.SpareWorker({served.worker});
  const auto family = system_.enclave().Family();
  ASSERT_EQ(family.size(), 4U);
  const FrozenProcess no_chance_to_notice(system_.Fetcher());
  system_.enclave().Signal(SIGKILL);
  for (const pid_t pid : family) EXPECT_TRUE(Await([pid] { return !Exists(pid); })) << pid;
}

TEST_F(EnclaveProcess, LosesOneSessionWithAKilledWorker) {
  Served first = Connect(system_);
  Served second = Connect(system_, {first.worker});
  ASSERT_TRUE(Infer(first.session));
  ASSERT_TRUE(Infer(second.session));
  ASSERT_EQ(kill(first.worker, SIGKILL), 0);
  EXPECT_EQ(Infer(first.session).error().reason, "channel_broken");
  EXPECT_TRUE(Infer(second.session));
  Served third = Connect(system_, {first.worker, second.worker});
  EXPECT_TRUE(Infer(third.session));
  EXPECT_TRUE(Infer(second.session));
}

TEST_F(EnclaveProcess, TellsAClientWhoseWorkerIsKilledMidRequest) {
  Served served = Connect(system_);
  std::future<Result<session::Answer>> answer;
  {
    const FrozenProcess frozen(served.worker);
    answer = InferAside(served.session);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_EQ(kill(served.worker, SIGKILL), 0);
  }
  EXPECT_EQ(answer.get().error().reason, "channel_broken");
  Served next = Connect(system_, {served.worker});
  EXPECT_TRUE(Infer(next.session));
}

TEST_F(EnclaveProcess, ReplacesAKilledSpareWorker) {
  const pid_t spare = system_.SpareWorker();
  ASSERT_EQ(kill(spare, SIGKILL), 0);
  Served served = Connect(system_, {spare});
  EXPECT_TRUE(Infer(served.session));
}

TEST_F(EnclaveProcess, ReplacesAKilledFetcher) {
  Served served = Connect(system_);
  const pid_t fetcher = system_.Fetcher();
  ASSERT_GT(fetcher, 0);
  ASSERT_EQ(kill(fetcher, SIGKILL), 0);
  ASSERT_TRUE(Await([&] {
    const pid_t now = system_.Fetcher();
    return now > 0 && now != fetcher;
  }));
  EXPECT_TRUE(Infer(served.session));
}

TEST_F(EnclaveProcess, TellsAClientWhoseFetchDied) {
  Served served = Connect(system_);
  const pid_t fetcher = system_.Fetcher();
  std::future<Result<session::Answer>> answer;
  {
    const FrozenProcess frozen(fetcher);
    answer = InferAside(served.session);
    EXPECT_EQ(answer.wait_for(std::chrono::milliseconds(500)), std::future_status::timeout);
    ASSERT_EQ(kill(fetcher, SIGKILL), 0);
  }
  EXPECT_EQ(answer.get().error().reason, "blob_store_unreachable");
  EXPECT_TRUE(Infer(served.session));
}

class OneSession : public EnclaveProcess {
 protected:
  OneSession() : EnclaveProcess({.enclave_arguments = {"--threads", "1", "--sessions", "1"}}) {}
};

TEST_F(OneSession, LetsTheNextClientWaitUntilItEnds) {
  Served first = Connect(system_);
  const auto policy = system_.Policy();
  auto second = std::async(std::launch::async, [&] {
    return session::Session::Open(system_.Settings(), policy, system_.Root());
  });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(700)), std::future_status::timeout);
  EXPECT_TRUE(Infer(first.session));
  first.session.Close();
  auto opened = second.get();
  ASSERT_TRUE(opened.has_value()) << opened.error().what;
  EXPECT_TRUE(Infer(*opened));
}

TEST_F(EnclaveProcess, ConfinesItsWorkersAndItsFetcher) {
  Served served = Connect(system_);
  ASSERT_TRUE(Infer(served.session));
  for (const pid_t pid : {served.worker, system_.Fetcher()}) {
    EXPECT_EQ(StatusOf(pid, "Seccomp"), "2");
    EXPECT_EQ(StatusOf(pid, "NoNewPrivs"), "1");
    rlimit core = {1, 1};
    ASSERT_EQ(prlimit(pid, RLIMIT_CORE, nullptr, &core), 0);
    EXPECT_EQ(core.rlim_cur, 0U);
    EXPECT_EQ(core.rlim_max, 0U);
  }
  EXPECT_EQ(FiguresOf(served.worker).threads, 2U);  // the session's, and the watchdog's
}

TEST_F(EnclaveProcess, UsesNoProcessorWhileASessionIsIdle) {
  Served served = Connect(system_);
  ASSERT_TRUE(Infer(served.session));
  const auto family = system_.enclave().Family();
  std::this_thread::sleep_for(std::chrono::seconds(1));  // the spare worker gets ready
  std::vector<uint64_t> before;
  for (const pid_t pid : family) before.push_back(FiguresOf(pid).processor_ticks);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  for (size_t i = 0; i < family.size(); ++i) {
    EXPECT_LE(FiguresOf(family[i]).processor_ticks, before[i] + 2)
        << testing_support::CommandOf(family[i]);
  }
}

class BusyEnclave : public EnclaveProcess {
 protected:
  BusyEnclave()
      : EnclaveProcess(
            {.enclave_arguments = {"--threads", "1", "--sessions", "1", "--queue", "1"}}) {}
};

TEST_F(BusyEnclave, LetsOneClientWaitAndTellsTheNextToComeBack) {
  Served served = Connect(system_);
  ASSERT_TRUE(Infer(served.session));
  const verify::Policy policy = system_.Policy();
  const verify::TrustRoot root = system_.Root();
  const auto open = [&] { return session::Session::Open(system_.Settings(), policy, root); };
  auto waiting = std::async(std::launch::async, open);
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
  for (int i = 0; i < 5; ++i) {
    const auto refused = open();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, "enclave_busy") << refused.error().what;
    EXPECT_EQ(refused.error().code, Code::kBusy);
  }
  EXPECT_TRUE(Infer(served.session)) << "whoever is served goes on";
  served.session.Close();
  auto seated = waiting.get();
  ASSERT_TRUE(seated.has_value()) << seated.error().what;
  EXPECT_TRUE(Infer(*seated));
}

class StrangeEnvironment : public EnclaveProcess {
 protected:
  StrangeEnvironment()
      : EnclaveProcess({.enclave_arguments = {"--threads", "1"},
                        .enclave_environment = {{"DNNL_VERBOSE", "1"},
                                                {"ONEDNN_JIT_DUMP", "1"},
                                                {"OPENSSL_CONF", "/nonexistent"},
                                                {"LD_LIBRARY_PATH", "/nonexistent"},
                                                {"GLIBC_TUNABLES", "glibc.malloc.check=0"},
                                                {"MALLOC_PERTURB_", "3"},
                                                {"SSLKEYLOGFILE", "/nonexistent"},
                                                {"EPHEMERAL_LOG", "debug"}}}) {}
};

std::vector<std::string> EnvironmentOf(pid_t pid) {
  std::istringstream entries(FileOf(pid, "environ"));
  std::vector<std::string> environment;
  for (std::string entry; std::getline(entries, entry, '\0');) {
    environment.push_back(entry);
  }
  return environment;
}

TEST_F(StrangeEnvironment, ReachesNoneOfItsProcesses) {
  Served served = Connect(system_);
  ASSERT_TRUE(Infer(served.session));
  for (const pid_t pid : system_.enclave().Family()) {
    for (const std::string& entry : EnvironmentOf(pid)) {
      const bool supervisors = entry.starts_with("EPHEMERAL_") || entry.starts_with("HOME=") ||
                               entry.starts_with("XDG_STATE_HOME=");
      const bool childrens = entry == "OMP_NUM_THREADS=1" || entry == "OMP_WAIT_POLICY=PASSIVE" ||
                             entry == "OPENSSL_CONF=/dev/null";
      EXPECT_TRUE(pid == system_.enclave().pid() ? supervisors : childrens)
          << testing_support::CommandOf(pid) << ": " << entry;
    }
  }
  EXPECT_THAT(EnvironmentOf(served.worker), testing::SizeIs(3));
  EXPECT_THAT(system_.enclave().Log(), testing::Not(testing::HasSubstr("dnnl_verbose")));
}

}  // namespace
}  // namespace ephemeralml
