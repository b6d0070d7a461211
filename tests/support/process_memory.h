#pragma once
// What another process has in its memory: a search of everything that the kernel lets root read.

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/base/bytes.h"

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

/// Something to look for. `name` is for the test's report.
struct Canary {
  std::string name;
  Bytes bytes;
};

/// "NAME at ADDRESS in MAPPING" for each page run of the process in which a canary occurs. Reads
/// all readable mappings, but only pages that exist. A failed CHECK if the memory can't be read.
std::vector<std::string> FindInMemory(pid_t pid, const std::vector<Canary>& canaries);

}  // namespace ephemeralml::testing_support
