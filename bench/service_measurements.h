#pragma once
// What is measured of the whole service: client, host and enclave as real processes on loopback in
// mock mode. Times include what the client does.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::bench {

struct ServiceCase {
  std::filesystem::path model;
  std::vector<tensors::NamedTensor> inputs;
  size_t threads = 2;  ///< of every worker
  size_t rounds = 5;
  double window_seconds = 1;
};

using Json = nlohmann::json;

/// The most memory that a worker had, the sealed blob's pages apart, over a few requests: sampled
/// while they ran, and from the kernel's own peak.
Result<Json> MeasureMemory(const ServiceCase& given);

/// Requests a second of one session, of two and of four together, in turn; and each one's.
Result<Json> MeasureSessions(const ServiceCase& given);

/// A request in an attested session that is kept, less the engine's own time, beside as many bytes
/// sent around through the same kind of tunnel under plain TLS 1.3. For a model whose output is as
/// large as its input.
Result<Json> MeasureRelay(const ServiceCase& given);

/// From a client's first call to the first answer of an enclave that has never seen the blob; of
/// that, the session and fetching the blob; and a later request.
Result<Json> MeasureCold(const ServiceCase& given);

}  // namespace ephemeralml::bench
