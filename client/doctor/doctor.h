#pragma once
// Looks at what this machine lacks, by trying: what each lack costs, and what mends it. Called by
// `ephemeralml doctor`. What it reads of the system is trusted: it is the client's own machine, or
// the one that is to run an enclave.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ephemeralml::doctor {

enum class Verdict {
  kOk,
  kSlower,  ///< works, and costs time
  kWeaker,  ///< works, and protects less
  kUnfit,   ///< some program of ours doesn't work here
};
std::string_view Name(Verdict verdict);

/// A figure for machines, beside the sentence for people.
struct Fact {
  std::string name;
  std::variant<bool, int64_t, std::string> value;
};

struct Check {
  std::string_view name;  ///< stable, snake_case
  Verdict verdict = Verdict::kOk;
  std::string found = {};
  std::string costs = {};   ///< empty if nothing lacks
  std::string remedy = {};  ///< empty if nothing lacks
  std::vector<Fact> facts = {};
};

/// Where the kernel's files are; tests show others.
struct Places {
  std::filesystem::path proc = "/proc";
  std::filesystem::path sys = "/sys";
};

/// All checks, in a fixed order. Takes about half a second: it locks memory, starts and ends
/// processes, and measures a cipher. Threads: call before there are others, since it forks.
std::vector<Check> Examine(const Places& places = {});

Check CheckMemoryLock();
/// Ends a child process by a signal that dumps core, as this process stands.
Check CheckCoreDumps(const Places& places);
Check CheckSwap(const Places& places);
Check CheckSystemCallFilter();
Check CheckProcessor();
Check CheckClock();
Check CheckTlsLibrary();

}  // namespace ephemeralml::doctor
