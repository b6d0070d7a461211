#pragma once
// Programs under test as real processes: started with their own log file, watched, stopped by pid.

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace ephemeralml::testing_support {

/// A folder that goes away with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A started program. Killed, if it still runs, when its owner goes.
class Process {
 public:
  /// `environment` is all that the program gets besides PATH and HOME (the log's folder).
  Process(std::vector<std::string> arguments, std::filesystem::path log,
          std::map<std::string, std::string> environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  /// True until it has ended.
  bool IsRunning();
  /// Sends a signal.
  void Signal(int signal) const;
  /// Waits for its end; the wait status, or -1 if it takes longer.
  int Wait(int64_t timeout_ms);
  /// The text of its log so far: standard output and standard error.
  std::string Log() const;
  /// Waits until the log has a `listening` event; its port, or 0 if none comes.
  uint16_t ListeningPort(int64_t timeout_ms);
  /// Waits until the log has `text`.
  bool WaitForLog(const std::string& text, int64_t timeout_ms) const;
  /// The process and all its descendants.
  std::vector<pid_t> Family() const;

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
  int status_ = -1;
  bool ended_ = false;
};

/// What /proc tells of a process.
struct ProcessFigures {
  uint64_t pss_bytes = 0;
  uint64_t rss_bytes = 0;
  uint64_t descriptors = 0;
  uint64_t threads = 0;
  uint64_t memory_files = 0;  ///< descriptors and mappings of memory files
  uint64_t own_bytes = 0;     ///< the part of the PSS that isn't of files: no neighbour changes it
  uint64_t processor_ticks = 0;
  char state = '?';  ///< R, S, D, Z, …
};
ProcessFigures FiguresOf(pid_t pid);

/// The arguments that a process was started with, joined by spaces.
std::string CommandOf(pid_t pid);

}  // namespace ephemeralml::testing_support
