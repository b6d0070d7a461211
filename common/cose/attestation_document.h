#pragma once
// The attestation document: what the NSM signs, and mock evidence too. DecodeDocument's input is
// hostile until the signature over it was verified. Layout and limits: docs/formats/evidence.md.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/strong.h"

namespace ephemeralml::cose {

/// A platform configuration register: a SHA-384 chain over what was measured.
struct Pcr : FixedBytes<struct PcrTag, 48> {
  /// True for a register that nothing was ever measured into.
  bool IsZero() const;
};

using PcrBank = std::map<uint8_t, Pcr>;

inline constexpr size_t kLargestCertificateBytes = 1024;
inline constexpr size_t kMostBundleCertificates = 8;
inline constexpr size_t kLargestPublicKeyBytes = 1024;
inline constexpr size_t kLargestUserDataBytes = 512;
inline constexpr size_t kLargestNonceBytes = 512;

/// Source: AWS, "Attestation document specification" (aws-nitro-enclaves-nsm-api,
/// docs/attestation_process.md, "Syntactical validation").
struct AttestationDocument {
  std::string module_id;
  uint64_t timestamp_ms = 0;  ///< since 1970, UTC
  PcrBank pcrs;
  Bytes certificate;            ///< DER, holds the key that signs
  std::vector<Bytes> cabundle;  ///< DER, from the root downwards, without `certificate`
  std::optional<Bytes> public_key;
  std::optional<Bytes> user_data;
  std::optional<Bytes> nonce;
};

/// Reads a document. Maps may be of definite or indefinite length; an optional field may be null or
/// absent. Errors: kMalformed `cbor_malformed`, `cbor_type_unexpected`, `evidence_field_missing`,
/// `evidence_field_duplicate`, `evidence_field_unknown`, `evidence_field_invalid` (size or value
/// out of its bounds), kUnsupported `evidence_digest_unsupported` (not SHA384).
Result<AttestationDocument> DecodeDocument(ByteSpan payload);

enum class MapForm { kDefinite, kIndefinite };

/// Writes what DecodeDocument reads; `form` is the outer map's. Absent optionals are written as
/// null.
Bytes EncodeDocument(const AttestationDocument& document, MapForm form);

}  // namespace ephemeralml::cose
