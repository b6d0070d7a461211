// What does it cost to set an attested session up, from the client's call to the moment at which it
// may send a model: tunnel through the host, worker hand-over, TLS, evidence signed and verified.
// Real processes on loopback in mock mode; a worker stands ready, as it does unless clients come
// faster than workers start. By the clock on the wall, which other processes disturb; and by the
// processor time of all that take part, in which they wait for nothing.

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "bench/unit.h"
#include "client/verify/chain.h"
#include "tests/support/system.h"

namespace ephemeralml {
namespace {

using testing_support::System;

class Setup {
 public:
  void End() {
    if (session_.has_value()) session_->Close();
    session_.reset();
    while (worker_ > 0 && kill(worker_, 0) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    // Until the spare worker waits for its connection: it does nothing then. The last session's may
    // be taken for it while it dies.
    double before = -1;
    for (;;) {
      const pid_t spare = system_.SpareWorker();
      double nanoseconds = 0;
      std::ifstream("/proc/" + std::to_string(spare) + "/schedstat") >> nanoseconds;
      if (spare == worker_ && nanoseconds == before) return;
      worker_ = spare;
      before = nanoseconds;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
  }
  // Of this process and every one that was there before the session, without the time that
  // this very reading takes.
  double ProcessorTime() {
    const double begin = bench::ProcessorTime();
    double sum = begin - reading_;
    for (const pid_t pid : {host_, enclave_, worker_}) {
      const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
      for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        double nanoseconds = 0;
        std::ifstream(task.path() / "schedstat") >> nanoseconds;
        sum += nanoseconds;
      }
    }
    reading_ += bench::ProcessorTime() - begin;
    return sum;
  }
  void Open() {
    session_.emplace(session::Session::Open(system_.Settings(), policy_, root_).value());
  }

 private:
  System system_{{.enclave_arguments = {"--threads", "1"}}};
  verify::Policy policy_ = system_.Policy();
  verify::TrustRoot root_ = system_.Root();
  std::optional<session::Session> session_;
  pid_t host_ = system_.host().pid();
  pid_t enclave_ = system_.enclave().pid();
  pid_t worker_ = -1;
  double reading_ = 0;
};

enum class Known { kNothing, kCertificates };
enum class By { kWall, kProcessor };

void SetUp(benchmark::State& state, Known known, By by) {
  Setup setup;
  const bench::Clock processor = [&] { return setup.ProcessorTime(); };
  setup.Open();
  bench::MeasureInUnits(
      state, by == By::kWall ? bench::Clock(&bench::WallTime) : processor,
      [&] {
        setup.End();
        if (known == Known::kNothing) verify::ForgetCertificates();
      },
      [&] { setup.Open(); });
}

#define SESSION_BENCHMARK(known, by)                           \
  BENCHMARK_CAPTURE(SetUp, known##_##by, Known::known, By::by) \
      ->Iterations(60)                                         \
      ->UseManualTime()                                        \
      ->Unit(benchmark::kMillisecond)
SESSION_BENCHMARK(kNothing, kWall);
SESSION_BENCHMARK(kCertificates, kWall);
SESSION_BENCHMARK(kNothing, kProcessor);
SESSION_BENCHMARK(kCertificates, kProcessor);

}  // namespace
}  // namespace ephemeralml

BENCHMARK_MAIN();
