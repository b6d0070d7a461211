// Where secrets in memory could end up on a disk: what can't be locked, core dumps, swap.

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "client/doctor/child.h"
#include "client/doctor/doctor.h"
#include "client/doctor/protect.h"

namespace ephemeralml::doctor {
namespace {

namespace fs = std::filesystem;

// As much as the topology key of a very large model takes.
constexpr size_t kWantedBytes = size_t{64} << 20;
constexpr size_t kLeastBytes = size_t{4} << 10;

std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool CanLock(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  const bool locked = mlock(memory, bytes) == 0;
  (void)munmap(memory, bytes);
  return locked;
}

size_t MostLockableBytes() {
  size_t bytes = kWantedBytes;
  while (bytes >= kLeastBytes && !CanLock(bytes)) bytes /= 2;
  return bytes >= kLeastBytes ? bytes : 0;
}

std::string LimitText(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : fmt::format("{} bytes", limit);
}

int64_t LimitFact(rlim_t limit) {
  return limit == RLIM_INFINITY ? -1 : static_cast<int64_t>(limit);
}

// Whether what is swapped to this device can reach a disk in the clear.
bool IsExposed(const fs::path& device, const fs::path& sys) {
  const fs::path block = sys / "class" / "block" / device.filename();
  if (ReadText(block / "dm" / "uuid").starts_with("CRYPT-")) return false;
  if (!device.filename().string().starts_with("zram")) return true;
  const std::string backing = ReadText(block / "backing_dev");
  return !backing.empty() && backing != "none";
}

std::vector<std::string> SwapAreas(const Places& places) {
  std::vector<std::string> areas;
  std::istringstream lines(ReadText(places.proc / "swaps"));
  std::string line;
  std::getline(lines, line);  // the columns' names
  while (std::getline(lines, line)) areas.push_back(line.substr(0, line.find_first_of(" \t")));
  return areas;
}

// Control groups of version 2 may forbid swapping for this process alone.
bool IsForbiddenToThisProcess(const Places& places) {
  std::istringstream groups(ReadText(places.proc / "self" / "cgroup"));
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;
    const fs::path group = places.sys / "fs" / "cgroup" / line.substr(4);
    return ReadText(group / "memory.swap.max") == "0";
  }
  return false;
}

}  // namespace

Check CheckMemoryLock() {
  const size_t bytes = MostLockableBytes();
  Check check{.name = "memory_lock"};
  const rlim_t limit = LimitsAtStart().locked_bytes;
  check.facts = {{"locked_bytes", static_cast<int64_t>(bytes)},
                 {"wanted_bytes", static_cast<int64_t>(kWantedBytes)},
                 {"limit_bytes", LimitFact(limit)}};
  if (bytes == kWantedBytes) {
    check.found = fmt::format("{} MiB of memory were locked", bytes >> 20);
    return check;
  }
  check.verdict = Verdict::kWeaker;
  check.found = bytes == 0 ? "no memory can be locked"
                           : fmt::format("at most {} KiB of memory can be locked", bytes >> 10);
  check.found += fmt::format("; the limit is {}", LimitText(limit));
  check.costs =
      "passphrases, keys and, in an enclave, weights and activations beyond that may be written to "
      "swap, where they outlive the process";
  check.remedy =
      "raise the limit (`ulimit -l`, LimitMEMLOCK=, --ulimit memlock=-1), or have no swap";
  return check;
}

Check CheckCoreDumps(const Places& places) {
  const std::string pattern = ReadText(places.proc / "sys" / "kernel" / "core_pattern");
  const bool is_piped = pattern.starts_with("|");
  std::string folder = (fs::temp_directory_path() / "ephemeralml-doctor.XXXXXX").string();
  const bool has_folder = mkdtemp(folder.data()) != nullptr;
  const int status = StatusOfChild([&] {
    if (has_folder && chdir(folder.c_str()) != 0) return 1;
    (void)signal(SIGABRT, SIG_DFL);
    (void)raise(SIGABRT);
    return 1;
  });
  std::error_code ignored;
  if (has_folder) fs::remove_all(folder, ignored);
  const bool was_killed = status != -1 && WIFSIGNALED(status);
  const bool dumped = was_killed && WCOREDUMP(status);
  const rlim_t limit = LimitsAtStart().core_bytes;
  Check check{.name = "core_dumps"};
  check.facts = {{"dumped", dumped},
                 {"limit_bytes", LimitFact(limit)},
                 {"pattern", pattern},
                 {"piped", is_piped}};
  const std::string system =
      fmt::format("the system's limit is {}, its pattern `{}`{}", LimitText(limit), pattern,
                  is_piped ? ", a program, which the limit doesn't stop" : "");
  if (was_killed && !dumped) {
    check.found = fmt::format("a process of ours crashed and left no core; {}", system);
    return check;
  }
  check.verdict = Verdict::kWeaker;
  check.found =
      fmt::format("a process of ours crashed and {}; {}",
                  dumped ? "left a core" : "it couldn't be seen whether it left a core", system);
  check.costs = "a crash may leave the memory of a program, without its locked secrets, on disk";
  check.remedy = "`ulimit -c 0`, and a core_pattern that isn't a program";
  return check;
}

Check CheckSwap(const Places& places) {
  Check check{.name = "swap"};
  std::string exposed;
  const std::vector<std::string> areas = SwapAreas(places);
  for (const std::string& area : areas) {
    if (IsExposed(area, places.sys)) exposed += (exposed.empty() ? "" : ", ") + area;
  }
  const bool is_forbidden = IsForbiddenToThisProcess(places);
  check.facts = {{"areas", static_cast<int64_t>(areas.size())},
                 {"exposed", exposed},
                 {"forbidden_to_this_process", is_forbidden}};
  if (areas.empty()) {
    check.found = "there is none";
  } else if (exposed.empty()) {
    check.found = "it is encrypted or in memory";
  } else if (is_forbidden) {
    check.found = "there is some, but this process's control group may not use it";
  } else {
    check.verdict = Verdict::kWeaker;
    check.found = "in the clear: " + exposed;
    check.costs =
        "what isn't locked, as models, inputs and results while a client reads them, may be "
        "written "
        "to disk";
    check.remedy = "switch it off (`swapoff -a`), encrypt it, or set memory.swap.max to 0";
  }
  return check;
}

}  // namespace ephemeralml::doctor
