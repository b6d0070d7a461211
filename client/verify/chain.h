#pragma once
// The certificate chain of a document: from the pinned root to the key that signed. Certificates
// are hostile until VerifyChain has accepted them. A process remembers the certificates that it met
// last, by their exact bytes, and which signatures on them held; everything else is checked anew
// every time.

#include <vector>

#include "client/verify/time.h"
#include "client/verify/trust_root.h"

namespace ephemeralml::verify {

/// Errors: kUntrusted `root_mismatch`.
Done RequireRoot(ByteSpan certificate, const TrustRoot& root);

/// Verifies `leaf` by `bundle`, whose first certificate is the anchor (see RequireRoot) and whose
/// others lead down to the leaf's issuer, all of them used, in this order.
/// Errors: kMalformed `certificate_malformed`; kUnsupported `certificate_key_unsupported` (not
/// P-384); kUntrusted `certificate_not_authority`, `certificate_key_usage`, `leaf_is_authority`,
/// `path_length_exceeded`, `certificate_digest_weak`, `certificate_expired`,
/// `certificate_not_yet_valid`, `chain_untrusted` (a signature doesn't match, or the order is
/// another). Source: RFC 5280 §6.1; AWS, "Attestation document specification", "Certificates chain
/// validation".
Done VerifyChain(const std::vector<Bytes>& bundle, ByteSpan leaf, Time now);

/// Forgets all certificates, as a new process would.
void ForgetCertificates();

}  // namespace ephemeralml::verify
