#pragma once
// Ends what takes too long. The engine looks at the time between two operators; this one acts when
// a single operator, or anything else of a request, never comes back. Its thread is started before
// the worker confines itself.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace ephemeralml::serve {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  Watchdog();
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// `expired` is called on the watchdog's own thread unless Disarm is called before `deadline`.
  /// It must end the process.
  void Arm(Clock::time_point deadline, std::function<void()> expired);
  /// Doesn't return once `expired` was called.
  void Disarm();

 private:
  void Watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Clock::time_point> deadline_;
  std::function<void()> expired_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace ephemeralml::serve
