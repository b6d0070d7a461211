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

struct PlatformSettings {
  std::filesystem::path state;  ///< mock: the folder of the development CA
  bool allow_debug = false;     ///< production: serves although the hypervisor can look inside
};

/// The build's own platform, once it was found fit to serve on. Production gives the security
/// module's entropy to the kernel first: call this before anything draws a key.
/// Errors: kIo `platform_unavailable`; production: those of RequireNoMockSettings, RequireReadOnly,
/// GatherEntropy, CreditEntropy and SecureRegisters.
Result<std::unique_ptr<Attester>> CreateAttester(const PlatformSettings& settings);

/// Writes this enclave's measurements as a policy file's measurement set (TOML).
Done PrintMeasurements(std::ostream& out);

}  // namespace ephemeralml::attest
