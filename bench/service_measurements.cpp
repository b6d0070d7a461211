#include "bench/service_measurements.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <fstream>
#include <numeric>
#include <thread>

#include "bench/plain_echo.h"
#include "tests/support/system.h"

namespace ephemeralml::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using testing_support::SplitModel;
using testing_support::System;

constexpr size_t kMostSessions = 4;

double MillisecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count();
}

System::Options OptionsFor(const ServiceCase& given) {
  return {.enclave_arguments = {"--threads", std::to_string(given.threads)}};
}

struct Service {
  explicit Service(const ServiceCase& given)
      : system(OptionsFor(given)), model(system.Split(given.model)) {
    system.Upload(model);
  }

  System system;
  SplitModel model;
};

// Source: proc(5), /proc/[pid]/status.
struct WorkerMemory {
  uint64_t peak = 0;
  uint64_t shared = 0;  // pages of memory files: the sealed blob's
  uint64_t own = 0;     // all other resident pages

  static WorkerMemory Of(pid_t worker) {
    std::ifstream status("/proc/" + std::to_string(worker) + "/status");
    WorkerMemory memory;
    std::string word;
    uint64_t kibibytes = 0;
    while (status >> word) {
      if (word == "VmHWM:" && status >> kibibytes) memory.peak = kibibytes * 1024;
      if (word == "RssShmem:" && status >> kibibytes) memory.shared = kibibytes * 1024;
      const bool is_own = word == "RssAnon:" || word == "RssFile:";
      if (is_own && status >> kibibytes) memory.own += kibibytes * 1024;
    }
    return memory;
  }
};

// Watches a worker's memory while it lives.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t worker) : thread_([this, worker] { Watch(worker); }) {}
  ~MemoryWatch() { End(); }
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  uint64_t End() {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
    return most_own_;
  }

 private:
  void Watch(pid_t worker) {
    while (!ended_) {
      most_own_ = std::max(most_own_, WorkerMemory::Of(worker).own);
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  std::atomic<bool> ended_ = false;
  uint64_t most_own_ = 0;
  std::thread thread_;
};

// Answers in a row until the time is over.
size_t AnswersWithin(session::Session& session, const SplitModel& model, const ServiceCase& given,
                     std::barrier<>& begin) {
  begin.arrive_and_wait();
  const auto start = SteadyClock::now();
  size_t answers = 0;
  while (MillisecondsSince(start) < given.window_seconds * 1000) {
    CHECK(session.Infer(model.topology, given.inputs).has_value());
    ++answers;
  }
  return answers;
}

// Of the first `count` sessions at once: requests a second.
std::vector<double> RatesTogether(std::vector<session::Session>& sessions, size_t count,
                                  const SplitModel& model, const ServiceCase& given) {
  std::vector<double> rates(count);
  std::vector<std::thread> clients;
  std::barrier<> begin(static_cast<std::ptrdiff_t>(count));
  for (size_t i = 0; i < count; ++i) {
    clients.emplace_back([&, i] {
      const size_t answers = AnswersWithin(sessions[i], model, given, begin);
      rates[i] = static_cast<double>(answers) / given.window_seconds;
    });
  }
  for (std::thread& client : clients) client.join();
  return rates;
}

struct Timed {
  double whole_ms = 0;
  double engine_ms = 0;
};

Result<Timed> TimeRequest(session::Session& session, const Service& service,
                          const ServiceCase& given) {
  const auto start = SteadyClock::now();
  TRY(const session::Answer answer, session.Infer(service.model.topology, given.inputs));
  const session::Measurements& measured = answer.measured;
  const uint64_t engine_us = measured.fetch_us + measured.prepare_us + measured.execute_us;
  return Timed{MillisecondsSince(start), static_cast<double>(engine_us) / 1000};
}

}  // namespace

Result<Json> MeasureMemory(const ServiceCase& given) {
  Service service(given);
  const pid_t worker = service.system.SpareWorker();
  const uint64_t before = WorkerMemory::Of(worker).own;
  TRY(session::Session session, service.system.Connect());
  MemoryWatch watch(worker);
  uint64_t activations = 0;
  for (size_t i = 0; i < given.rounds; ++i) {
    TRY(const session::Answer answer, session.Infer(service.model.topology, given.inputs));
    activations = std::max(activations, answer.measured.peak_activation_bytes);
  }
  const uint64_t sampled = watch.End();
  // The blob's pages stay mapped, so from the second request on they are part of the kernel's peak.
  const WorkerMemory memory = WorkerMemory::Of(worker);
  return Json{{"peak_own_bytes", std::max(sampled, memory.peak - memory.shared)},
              {"sampled_own_bytes", sampled},
              {"peak_resident_bytes", memory.peak},
              {"sealed_pages_bytes", memory.shared},
              {"before_request_bytes", before},
              {"peak_activation_bytes", activations}};
}

Result<Json> MeasureSessions(const ServiceCase& given) {
  Service service(given);
  std::vector<session::Session> sessions;
  for (size_t i = 0; i < kMostSessions; ++i) {
    TRY(session::Session session, service.system.Connect());
    TRY_OK(session.Infer(service.model.topology, given.inputs));
    sessions.push_back(std::move(session));
  }
  Json rounds = Json::array();
  for (size_t i = 0; i < given.rounds; ++i) {
    Json round;
    for (const size_t count : {size_t{1}, size_t{2}, kMostSessions}) {
      round[std::to_string(count)] = RatesTogether(sessions, count, service.model, given);
    }
    rounds.push_back(std::move(round));
  }
  return Json{{"requests_per_second", rounds}};
}

Result<Json> MeasureRelay(const ServiceCase& given) {
  Bytes bytes(given.inputs.at(0).data.size(), 1);
  const PlainEcho echo(bytes.size());
  Service service(given);
  const System through({.enclave_dialled_at = echo.port()});
  TRY(session::Session session, service.system.Connect());
  const session::SessionSettings settings = through.Settings();
  TRY(channel::Channel channel, ConnectPlainly(settings.host, settings.enclave_name));
  TRY_OK(TimeRequest(session, service, given));
  TRY_OK(SendAround(channel, bytes));
  Json requests = Json::array();
  Json engines = Json::array();
  Json echoes = Json::array();
  const auto start = SteadyClock::now();
  const double time_ms = given.window_seconds * 1000 * static_cast<double>(given.rounds);
  while (MillisecondsSince(start) < time_ms) {
    TRY(const Timed timed, TimeRequest(session, service, given));
    requests.push_back(timed.whole_ms);
    engines.push_back(timed.engine_ms);
    const auto sent = SteadyClock::now();
    TRY_OK(SendAround(channel, bytes));
    echoes.push_back(MillisecondsSince(sent));
  }
  return Json{{"bytes_each_way", bytes.size()},
              {"request_ms", requests},
              {"engine_ms", engines},
              {"echo_ms", echoes}};
}

Result<Json> MeasureCold(const ServiceCase& given) {
  Json answers = Json::array();
  Json sessions = Json::array();
  Json fetches = Json::array();
  Json later = Json::array();
  uint64_t blob_bytes = 0;
  for (size_t i = 0; i < given.rounds; ++i) {
    Service service(given);
    (void)service.system.SpareWorker();
    const verify::Policy policy = service.system.Policy();
    const verify::TrustRoot root = service.system.Root();
    const auto start = SteadyClock::now();
    TRY(session::Session session, session::Session::Open(service.system.Settings(), policy, root));
    sessions.push_back(MillisecondsSince(start));
    TRY(const session::Answer answer, session.Infer(service.model.topology, given.inputs));
    answers.push_back(MillisecondsSince(start));
    fetches.push_back(static_cast<double>(answer.measured.fetch_us) / 1000);
    TRY(const Timed timed, TimeRequest(session, service, given));
    later.push_back(timed.whole_ms);
    blob_bytes = std::filesystem::file_size(service.model.blob);
  }
  return Json{{"first_answer_ms", answers},
              {"session_ms", sessions},
              {"fetch_ms", fetches},
              {"later_request_ms", later},
              {"blob_bytes", blob_bytes}};
}

}  // namespace ephemeralml::bench
