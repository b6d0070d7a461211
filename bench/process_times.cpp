#include "bench/process_times.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "common/base/result.h"

namespace ephemeralml::bench {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

// All processors' time but what they idled or waited away. Source: proc(5), /proc/stat.
double BusySeconds() {
  std::ifstream stat("/proc/stat");
  std::string label;
  double user = 0;
  double nice = 0;
  double system = 0;
  double idle = 0;
  double waiting = 0;
  double interrupts = 0;
  double soft_interrupts = 0;
  double stolen = 0;
  stat >> label >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >>
      stolen;
  CHECK(stat.good() && label == "cpu");
  return (user + nice + system + interrupts + soft_interrupts + stolen) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

int64_t ProcessorNanoseconds(pid_t process) {
  clockid_t clock = 0;
  timespec time = {};
  CHECK(clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &time) == 0);
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

Window::Window(std::vector<pid_t> own)
    : own_(std::move(own)),
      start_(std::chrono::steady_clock::now()),
      busy_seconds_(BusySeconds()),
      own_nanoseconds_(OwnNanoseconds()) {}

int64_t Window::OwnNanoseconds() const {
  int64_t sum = 0;
  for (const pid_t process : own_) sum += ProcessorNanoseconds(process);
  return sum;
}

double Window::OthersUse() const {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  const double own =
      static_cast<double>(OwnNanoseconds() - own_nanoseconds_) / kNanosecondsPerSecond;
  return std::max(0.0, (BusySeconds() - busy_seconds_ - own) / passed.count());
}

}  // namespace ephemeralml::bench
