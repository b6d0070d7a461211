#pragma once
// How the enclave proves what it is. One implementation a build: the mock platform's signs with a
// development CA, the production platform's asks the Nitro Security Module.

#include <filesystem>
#include <iosfwd>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace ephemeralml::attest {

/// Threads: one.
class Attester {
 public:
  virtual ~Attester() = default;
  /// A COSE_Sign1 attestation document over these values.
  virtual Result<Bytes> Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) = 0;
};

/// The build's own platform. `state` is the folder of the development CA; production ignores it.
/// Errors: kIo `platform_unavailable`.
Result<std::unique_ptr<Attester>> CreateAttester(const std::filesystem::path& state);

/// Writes this enclave's measurements as a policy file's measurement set (TOML).
Done PrintMeasurements(std::ostream& out);

}  // namespace ephemeralml::attest
