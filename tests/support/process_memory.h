#pragma once
// What another process has in its memory: a search of everything that the kernel lets root read.

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/file.h"

namespace ephemeralml::testing_support {

/// Stops a process, all its threads, while it lives.
class FrozenProcess {
 public:
  explicit FrozenProcess(pid_t pid);
  ~FrozenProcess();
  FrozenProcess(const FrozenProcess&) = delete;
  FrozenProcess& operator=(const FrozenProcess&) = delete;

 private:
  pid_t pid_;
};

inline constexpr uint64_t kPageBytes = 4096;

struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;  ///< the file's, or the kernel's word for it; may be empty
};

/// Pages [begin, end) that exist, in memory or in swap.
struct PageRun {
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// All of a process's mappings but the kernel's own pages, in the order of their addresses.
std::vector<Mapping> MappingsOf(pid_t pid);

/// By `/proc/PID/pagemap`, opened.
std::vector<PageRun> ExistingRuns(int pagemap, const Mapping& mapping);

/// Opens a file of `/proc/PID` to be read; a failed CHECK if it can't be, or a closed descriptor.
UniqueFd OpenOf(pid_t pid, const char* what);
UniqueFd TryOpenOf(pid_t pid, const char* what);

/// Something to look for. `name` is for the test's report.
struct Canary {
  std::string name;
  Bytes bytes;
};

/// "NAME at ADDRESS in MAPPING" for each page run of the process in which a canary occurs. Reads
/// the pages that exist of all mappings, whatever their protection. A failed CHECK if the memory
/// can't be read.
std::vector<std::string> FindInMemory(pid_t pid, const std::vector<Canary>& canaries);

}  // namespace ephemeralml::testing_support
