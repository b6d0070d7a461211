#pragma once
// What the host counts, for a Prometheus server on the same machine: sums over everyone, never per
// client, model or blob. What the enclave counts is asked of it each time. Private to this module.

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace ephemeralml::proxy {

/// Threads: any.
struct Metrics {
  Metrics();

  void CountRefusal(std::string_view reason);

  std::atomic<uint32_t> tunnels_open = 0;
  std::atomic<uint64_t> tunnels = 0;
  std::atomic<uint64_t> bytes_to_enclave = 0;
  std::atomic<uint64_t> bytes_to_client = 0;
  std::atomic<uint64_t> blob_reads = 0;
  std::atomic<uint64_t> blob_writes = 0;
  std::atomic<uint64_t> blob_removals = 0;
  std::atomic<uint64_t> blob_bytes_in = 0;
  std::atomic<uint64_t> blob_bytes_out = 0;
  std::atomic<bool> enclave_reachable = false;  ///< when it was last dialled
  std::vector<std::atomic<uint64_t>> refusals;  ///< in the order of Refusals()
};

/// An enclave's counters: names and values, in its order.
using EnclaveCounters = std::vector<std::pair<std::string, uint64_t>>;

/// The most bytes that an enclave's counters take.
inline constexpr size_t kLargestCountersBytes = 2048;

/// Reads lines of NAME VALUE: the enclave is none of ours to trust. Errors: kMalformed
/// `counters_malformed` (a name of anything but lower-case letters and '_', a value that is no
/// 64-bit number, too many bytes, a line that doesn't end).
Result<EnclaveCounters> ParseCounters(std::string_view text);

/// Everything in Prometheus' text format, version 0.0.4. `counters` absent: the enclave gave none.
std::string ToPrometheus(const Metrics& metrics, uint32_t connections, uint32_t requests,
                         const std::optional<EnclaveCounters>& counters);

}  // namespace ephemeralml::proxy
