#pragma once
// The supervisor: single-threaded; starts workers and the fetcher, asks the platform for evidence,
// keeps the cache of sealed blobs. It parses nothing that a client or the host wrote: connections
// go to workers unread, and what workers say has fixed sizes.

#include <memory>

#include "common/net/socket.h"
#include "enclave/attest/attester.h"
#include "enclave/serve/fetcher.h"
#include "enclave/serve/worker.h"

namespace ephemeralml::serve {

struct SupervisorSettings {
  FetcherSettings fetcher;
  WorkerSettings worker;
  uint64_t cache_limit_bytes = 0;
  size_t session_limit = 0;
  size_t queue_limit = 16;  ///< clients that wait for a session; further ones are told to come back
  int64_t drain_timeout_ms = 0;
};

/// Where the supervisor is reached. Without `counters` it tells nobody what it counts.
struct Listeners {
  UniqueFd clients;
  UniqueFd counters;
};

/// Serves connections from `listeners` until SIGTERM or SIGINT, then lets sessions end for the
/// drain timeout; a second signal ends them at once. SIGTERM, SIGINT and SIGCHLD must be blocked.
/// Errors: kIo `process_start_failed`, kInternal `workers_fail`.
Done Supervise(const SupervisorSettings& settings, Listeners listeners,
               std::unique_ptr<attest::Attester> attester);

}  // namespace ephemeralml::serve
