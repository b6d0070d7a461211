#pragma once
// How much of the machine others used while something was timed. A figure taken beside a busy
// neighbour is wrong by up to two times with two threads, so every window of measurements says how
// many processors' worth of time went elsewhere.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace ephemeralml::bench {

/// Nanoseconds of processor time that a process, all its threads together, has used.
int64_t ProcessorNanoseconds(pid_t process);

/// A window of time that some processes of ours take part in.
class Window {
 public:
  /// Begins now. `own`: whose processor time isn't others'.
  explicit Window(std::vector<pid_t> own);

  /// Processors that others kept busy on average since the beginning: 0 to their number. The kernel
  /// counts in ticks of 10 ms, so a window should take 300 ms or more.
  double OthersUse() const;

 private:
  int64_t OwnNanoseconds() const;

  std::vector<pid_t> own_;
  std::chrono::steady_clock::time_point start_;
  double busy_seconds_;
  int64_t own_nanoseconds_;
};

}  // namespace ephemeralml::bench
