#pragma once
// COSE_Sign1 (RFC 9052 §4.2) as Nitro writes it: ES384, nothing in the unprotected header.
// DecodeSign1's input is hostile: evidence from the network. Layout: docs/formats/evidence.md.

#include "common/base/bytes.h"
#include "common/base/strong.h"

namespace ephemeralml::cose {

/// r ‖ s, big-endian, of ECDSA over P-384.
struct Es384Signature : FixedBytes<struct Es384SignatureTag, 96> {};

/// The largest evidence that is looked at: more than the NSM can answer (12 KiB).
inline constexpr size_t kLargestEvidenceBytes = 16 * 1024;

/// What a COSE_Sign1 holds; `payload` points into the decoded bytes. Nothing of it is verified.
struct Sign1 {
  ByteSpan payload;
  Es384Signature signature;
};

/// Reads a COSE_Sign1, tagged (18) or not.
/// Errors: kOverLimit `evidence_too_large`, kMalformed `cbor_malformed`, `cbor_type_unexpected`,
/// `evidence_malformed` (not four items, something unprotected, a signature of another length),
/// kUnsupported `evidence_algorithm_refused` (the protected header isn't exactly {1: -35}).
Result<Sign1> DecodeSign1(ByteSpan evidence);

enum class Sign1Form { kUntagged, kTagged };

/// Writes what DecodeSign1 reads.
Bytes EncodeSign1(ByteSpan payload, const Es384Signature& signature, Sign1Form form);

/// The bytes that the signature covers. Source: RFC 9052 §4.4, Sig_structure with context
/// "Signature1".
Bytes SignedBytes(ByteSpan payload);

}  // namespace ephemeralml::cose
