#include "enclave/serve/watchdog.h"

#include <utility>

namespace ephemeralml::serve {

Watchdog::Watchdog() : thread_([this] { Watch(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::Arm(Clock::time_point deadline, std::function<void()> expired) {
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    expired_ = std::move(expired);
  }
  changed_.notify_one();
}

// Without waking the watchdog, which sees it when it wakes.
void Watchdog::Disarm() {
  const std::lock_guard lock(mutex_);
  deadline_.reset();
}

void Watchdog::Watch() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    if (!deadline_) {
      changed_.wait(lock);
    } else if (Clock::now() < *deadline_) {
      const Clock::time_point until = *deadline_;
      changed_.wait_until(lock, until);
    } else {
      expired_();  // with the lock: whoever would disarm it now waits until the process has ended
      deadline_.reset();
    }
  }
}

}  // namespace ephemeralml::serve
