#pragma once
// A worker: the process that serves one client's session and ends with it. Everything secret in the
// enclave lives in workers alone.

#include "common/base/file.h"
#include "common/base/log.h"

namespace ephemeralml::serve {

/// What the supervisor tells a worker; the two run the same binary.
struct WorkerSettings {
  uint64_t threads = 0;
  uint64_t session_memory_bytes = 0;
  uint64_t message_limit_bytes = 0;
  int64_t handshake_timeout_ms = 0;
  int64_t idle_timeout_ms = 0;
  int64_t transfer_timeout_ms = 0;
  int64_t request_time_ms = 300'000;
  int64_t connection_time_ms = 3'600'000;
  log::Level log_level = log::Level::kInfo;
};

/// The process's whole life: settings → threads and libraries → a connection → confinement → the
/// first byte from the client → requests until the session ends. Returns the exit status.
int RunWorker(UniqueFd control);

}  // namespace ephemeralml::serve
