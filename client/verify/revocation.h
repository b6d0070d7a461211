#pragma once
// Certificate revocation lists (RFC 5280 §5) that a policy names: the client fetched them and keeps
// them current. Lists are as hostile as their source until an issuer's signature was found on them.

#include <memory>
#include <vector>

#include "client/verify/time.h"
#include "common/base/bytes.h"

namespace ephemeralml::verify {

/// Threads: any number. Copies share the lists.
class RevocationLists {
 public:
  /// Reads PEM with one list or more. Errors: kMalformed `revocation_list_malformed` (anything
  /// else between the lists, a list without its next update); kUntrusted `revocation_list_weak`
  /// (signed with less than SHA-384).
  static Result<RevocationLists> Parse(ByteSpan pem);

  size_t size() const;

 private:
  friend class RevocationCheck;
  struct State;
  explicit RevocationLists(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

/// Checks a chain that VerifyChain accepted. A current list must cover the certificate that the
/// root issued, every other that names a place where its list is published, and every other whose
/// issuer has a list here. Returns how many were covered.
/// Errors: kUntrusted `certificate_revoked`, `revocation_list_missing`, `revocation_list_expired`,
/// `revocation_list_not_yet_valid`, `revocation_list_untrusted` (its signature, scope or issuer's
/// right to issue it).
Result<size_t> CheckRevocation(const std::vector<Bytes>& bundle, ByteSpan leaf,
                               const RevocationLists& lists, Time now);

}  // namespace ephemeralml::verify
