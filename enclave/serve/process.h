#pragma once
// Starting the enclave's own processes: fork and exec of the same binary, so that each has a fresh
// address layout, with an environment of our own and no descriptor but the control socket.

#include <sys/types.h>

#include "common/base/file.h"

namespace ephemeralml::serve {

/// The descriptor on which a started process finds its control socket.
inline constexpr int kControlDescriptor = 3;

/// The first argument that makes the binary a worker or a fetcher.
inline constexpr const char* kWorkerRole = "worker";
inline constexpr const char* kFetcherRole = "fetcher";

struct ChildProcess {
  pid_t pid = -1;
  UniqueFd control;
};

/// Errors: kIo `process_start_failed`.
Result<ChildProcess> StartProcess(const char* role);

/// Runs this binary anew without the environment variables that steer libraries (debug switches
/// print shapes or write kernels to disk), unless it has none of them. Call first in main.
void RequireCleanEnvironment(char** argv);

}  // namespace ephemeralml::serve
