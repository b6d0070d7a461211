#pragma once
// Nitro-shaped evidence under a root made on the spot, for tests: real certificates and signatures,
// and everything about them can be bent. No shipped program links this.

#include <array>
#include <map>
#include <optional>
#include <string>

#include "client/verify/chain.h"
#include "client/verify/trust_root.h"
#include "client/verify/verify.h"
#include "common/cose/certificate.h"

namespace ephemeralml::verify {

/// The only way besides OpenTrustRoot to a TrustRoot.
struct InsecureTrustRoot {
  static TrustRoot Of(ByteSpan certificate);
};

/// Places in a chain of Nitro's length.
enum ChainPlace : size_t { kRoot, kRegional, kZonal, kInstance, kLeaf, kChainLength };

/// What a chain is made of; a test changes a piece before it calls Make.
struct InsecureChain {
  explicit InsecureChain(Time now);

  /// Issues the certificates anew.
  void Make();
  /// Signs the certificate at `place` again by its issuer's key, with SHA-256.
  void SignWithSha256(ChainPlace place);
  std::vector<Bytes> Bundle() const;
  const Bytes& Leaf() const { return certificates[kLeaf]; }
  Done Verify(Time at) const { return VerifyChain(Bundle(), Leaf(), at); }

  std::array<cose::CertificateSpec, kChainLength> specs;
  std::map<ChainPlace, Bytes> foreign_keys;  ///< public keys certified instead of the place's own
  std::vector<cose::Es384Key> keys;
  std::array<Bytes, kChainLength> certificates;
};

/// What a certificate revocation list of a chain is made of.
struct InsecureList {
  ChainPlace issuer = kRoot;
  std::vector<ChainPlace> revoked = {};
  std::chrono::seconds age = std::chrono::hours(1);
  std::optional<std::chrono::seconds> lifetime = std::chrono::hours(24);
  bool is_weak = false;  ///< signed over SHA-256

  /// The list, made as of `now`, in PEM.
  std::string ToPem(const InsecureChain& chain, Time now) const;
};

/// Good evidence for a connection, and what a client at the other end of it expects.
struct InsecureNitro {
  explicit InsecureNitro(Time at);

  TrustRoot Root() const { return InsecureTrustRoot::Of(chain.certificates[kRoot]); }
  /// A policy that names the document's PCR0.
  Policy MatchingPolicy() const;
  /// The document with the chain's certificates, signed by its leaf.
  Bytes Evidence(cose::MapForm form = cose::MapForm::kIndefinite) const;
  Result<VerifiedEnclave> Verify() const;

  Time now;
  InsecureChain chain;
  cose::AttestationDocument document;
  Expectations expectations;
};

}  // namespace ephemeralml::verify
