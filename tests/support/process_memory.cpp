#include "tests/support/process_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/process.h"

namespace ephemeralml::testing_support {
std::vector<Mapping> MappingsOf(pid_t pid) {
  std::vector<Mapping> mappings;
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Mapping mapping;
    char dash = 0;
    std::string permissions;
    std::string skipped;
    fields >> std::hex >> mapping.begin >> dash >> mapping.end >> permissions;
    fields >> skipped >> skipped >> skipped >> mapping.name;
    // The kernel's own pages, which hold nothing of the process.
    const bool kernels = mapping.name.starts_with("[vvar") || mapping.name == "[vsyscall]";
    if (!kernels) mappings.push_back(mapping);
  }
  return mappings;
}

std::vector<PageRun> ExistingRuns(int pagemap, const Mapping& mapping) {
  std::vector<uint64_t> entries((mapping.end - mapping.begin) / kPageBytes);
  const auto offset = static_cast<off_t>(mapping.begin / kPageBytes * sizeof(uint64_t));
  const size_t size = entries.size() * sizeof(uint64_t);
  CHECK(pread(pagemap, entries.data(), size, offset) == static_cast<ssize_t>(size));
  std::vector<PageRun> runs;
  for (size_t i = 0; i < entries.size(); ++i) {
    if ((entries[i] >> 62) == 0) continue;  // neither present nor swapped
    const uint64_t page = mapping.begin + i * kPageBytes;
    if (!runs.empty() && runs.back().end == page) {
      runs.back().end += kPageBytes;
    } else {
      runs.push_back({page, page + kPageBytes});
    }
  }
  return runs;
}

UniqueFd TryOpenOf(pid_t pid, const char* what) {
  return UniqueFd(
      open(("/proc/" + std::to_string(pid) + "/" + what).c_str(), O_RDONLY | O_CLOEXEC));
}

UniqueFd OpenOf(pid_t pid, const char* what) {
  UniqueFd fd = TryOpenOf(pid, what);
  CHECK(fd.IsOpen());
  return fd;
}

namespace {

// A thread on a processor goes on for a moment after its leader has stopped.
bool AllThreadsStand(pid_t pid) {
  const std::filesystem::directory_iterator threads("/proc/" + std::to_string(pid) + "/task");
  return std::all_of(begin(threads), end(threads), [](const auto& thread) {
    return FiguresOf(std::stoi(thread.path().filename())).state == 'T';
  });
}

}  // namespace

FrozenProcess::FrozenProcess(pid_t pid) : pid_(pid) {
  (void)kill(pid, SIGSTOP);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!AllThreadsStand(pid)) {
    CHECK(std::chrono::steady_clock::now() < until);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

FrozenProcess::~FrozenProcess() { (void)kill(pid_, SIGCONT); }

std::vector<std::string> FindInMemory(pid_t pid, const std::vector<Canary>& canaries) {
  const UniqueFd memory = OpenOf(pid, "mem");
  const UniqueFd pagemap = OpenOf(pid, "pagemap");
  std::vector<std::string> found;
  for (const Mapping& mapping : MappingsOf(pid)) {
    for (const PageRun& run : ExistingRuns(pagemap.Get(), mapping)) {
      Bytes bytes(run.end - run.begin);
      const ssize_t count =
          pread(memory.Get(), bytes.data(), bytes.size(), static_cast<off_t>(run.begin));
      CHECK(count == static_cast<ssize_t>(bytes.size()));
      for (const Canary& canary : canaries) {
        const void* at =
            memmem(bytes.data(), bytes.size(), canary.bytes.data(), canary.bytes.size());
        if (at == nullptr) continue;
        const auto offset = static_cast<uint64_t>(static_cast<const uint8_t*>(at) - bytes.data());
        found.push_back(fmt::format("{} at {:#x} in {:#x}-{:#x} {}", canary.name,
                                    run.begin + offset, mapping.begin, mapping.end, mapping.name));
      }
    }
  }
  return found;
}

}  // namespace ephemeralml::testing_support
