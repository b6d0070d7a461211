#pragma once
// The Nitro Security Module as the enclave uses it: at start for entropy and for the registers that
// say what runs here, later for evidence. How requests reach it is the caller's: the device in a
// production enclave, canned replies in tests.

#include <functional>
#include <utility>

#include "enclave/attest/nsm_messages.h"

namespace ephemeralml::attest {

/// Sends a request and returns the reply, at most kLargestNsmReplyBytes. Errors: kIo `nsm_refused`.
using NsmCall = std::function<Result<Bytes>(ByteSpan request)>;

/// Errors of every call: those of the decodings, of NsmCall, and what stands with it.
/// Threads: one.
class NsmModule {
 public:
  explicit NsmModule(NsmCall call) : call_(std::move(call)) {}

  Result<NsmDescription> Describe() const;
  Result<SecretBytes> GetRandom() const;
  Result<NsmRegister> DescribeRegister(uint16_t index) const;
  Result<cose::Pcr> Extend(uint16_t index, ByteSpan data) const;
  Done Lock(uint16_t count) const;
  Result<Bytes> Attest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data) const;

 private:
  NsmCall call_;
};

/// At least 64 bytes for the kernel's pool. Errors: kIo `nsm_random_poor` (a reply of less than 32
/// bytes, of equal bytes, or that came twice).
Result<SecretBytes> GatherEntropy(const NsmModule& module);

enum class DebugMode { kRefused, kAllowed };

/// What the enclave demands of the registers before it serves, and does to them:
/// - 0 to 4 and 8, which policies may name, are locked by the hypervisor already;
/// - 0, 1 and 2 aren't zero, in the registers and in a document, which agree;
/// - all others are locked now, and a locked register can't be extended any more.
/// Errors: kUnsupported `nsm_version_unsupported`; kUntrusted `nsm_register_unlocked`,
/// `enclave_in_debug_mode`; kIo `nsm_reply_invalid` (document and registers disagree); those of
/// cose::DecodeSign1 and DecodeDocument.
Done SecureRegisters(const NsmModule& module, DebugMode debug);

}  // namespace ephemeralml::attest
