#pragma once
// Answers as a Nitro Security Module does: random bytes, registers, and attestation documents that
// are really signed, under a root of the test's own. No shipped program links this.

#include <bitset>
#include <functional>
#include <string>

#include "common/cose/attestation_document.h"
#include "common/cose/certificate.h"

namespace ephemeralml::production {

inline constexpr size_t kRegisters = 32;

/// What the module's documents say.
enum class Conduct {
  kHonest,
  kDebug,      ///< registers 0 to 2 are zero, as of an enclave in debug mode
  kOtherRoot,  ///< true, but signed under a root that nobody trusts
};

/// A chain of Nitro's length and lifetimes below a root.
struct SigningChain {
  static SigningChain Below(const cose::Issuer& root);

  std::vector<Bytes> bundle;  ///< from the root downwards, without the leaf
  cose::Issuer leaf;
};

/// A new root, as Nitro's own is.
cose::Issuer MakeRoot();

class NsmResponder {
 public:
  /// `measured` are the registers that the hypervisor filled; it locked the first 16. `conduct` is
  /// asked at every document.
  NsmResponder(const cose::Issuer& root, cose::PcrBank measured, std::function<Conduct()> conduct);

  /// The reply to any request, at most 12 KiB.
  Bytes Answer(ByteSpan request);

 private:
  Result<Bytes> Try(ByteSpan request);
  Bytes Describe() const;
  Result<Bytes> DescribeRegister(uint64_t index) const;
  Result<Bytes> Extend(uint64_t index, ByteSpan data);
  Result<Bytes> Lock(uint64_t count);
  Bytes Attest(std::optional<ByteSpan> public_key, std::optional<ByteSpan> nonce,
               std::optional<ByteSpan> user_data) const;

  cose::PcrBank registers_;
  std::bitset<kRegisters> locked_ = 0xffff;
  std::function<Conduct()> conduct_;
  std::string module_id_;
  SigningChain chain_;
  SigningChain other_chain_;
};

}  // namespace ephemeralml::production
