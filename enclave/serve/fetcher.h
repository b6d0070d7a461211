#pragma once
// The fetcher: the one process of the enclave that talks HTTP to the untrusted host. It holds no
// keys and sees sealed chunks alone; what it fetches is sealed against writing by the supervisor.

#include "common/net/address.h"
#include "enclave/serve/control.h"

namespace ephemeralml::serve {

/// What the supervisor tells its fetcher.
struct FetcherSettings {
  std::string host_authority;
  net::ResolvedAddress host;
  int64_t timeout_ms = 0;  ///< for one whole blob

  Bytes Encode() const;
  static Result<FetcherSettings> Decode(ByteSpan body);
};

/// Fetches a whole blob into a new memory file: range requests in order, of one size, so that the
/// host sees nothing in the pattern but the length it knows. Errors are outcomes.
FetchOutcome FetchBlob(const FetcherSettings& settings, const FetchOrder& order, UniqueFd& memory);

/// The process's whole life: settings, confinement, then order after order until the supervisor is
/// gone. Returns the exit status.
int RunFetcher(UniqueFd control);

}  // namespace ephemeralml::serve
