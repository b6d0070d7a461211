#pragma once
// Programs that are killed where it matters: at each system call that changes what is on disk.

#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ephemeralml::testing_support {

struct ProgramEnd {
  bool was_killed = false;  ///< by RunProgramKilledAt, at the call that was asked for
  int exit_status = -1;     ///< -1 if it didn't exit by itself
  std::string output;       ///< standard output and standard error
  uint64_t peak_bytes = 0;  ///< most memory that it had at once (resident)
};

/// Runs a program to its end, without an environment.
ProgramEnd RunProgram(const std::vector<std::string>& arguments);

/// Runs it and kills it right after its `call`th call (from 1) that makes, writes, syncs, renames
/// or removes something. `is_traceable` becomes false where the system lets nobody trace.
ProgramEnd RunProgramKilledAt(const std::vector<std::string>& arguments, int call,
                              bool& is_traceable);

}  // namespace ephemeralml::testing_support
