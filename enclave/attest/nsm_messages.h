#pragma once
// The requests that we make of the Nitro Security Module, and its replies, in CBOR. The replies
// come from the hypervisor, which is trusted, but are parsed as if it weren't.
// Source: aws-nitro-enclaves-nsm-api, src/api/mod.rs, Request and Response.

#include <bitset>
#include <string>

#include "common/base/bytes.h"
#include "common/base/secret_bytes.h"
#include "common/cose/attestation_document.h"

namespace ephemeralml::attest {

inline constexpr size_t kLargestNsmRequestBytes = 0x1000;
inline constexpr size_t kLargestNsmReplyBytes = 0x3000;
inline constexpr uint16_t kMostNsmRegisters = 32;

/// What the module says of itself.
struct NsmDescription {
  uint16_t major_version = 0;
  uint16_t minor_version = 0;
  uint16_t patch_version = 0;
  std::string module_id;
  uint16_t registers = 0;  ///< their indices are 0 to `registers` - 1
  std::bitset<kMostNsmRegisters> locked;
};

struct NsmRegister {
  bool locked = false;
  cose::Pcr value;
};

Bytes EncodeDescribeRequest();
Bytes EncodeRandomRequest();
Bytes EncodeDescribeRegisterRequest(uint16_t index);
/// The module then holds SHA-384(old value || data).
Bytes EncodeExtendRequest(uint16_t index, ByteSpan data);
/// Locks registers 0 to `count` - 1, those among them that are locked already included.
Bytes EncodeLockRequest(uint16_t count);
/// Null for what is empty. Errors: kInvalidArgument `attestation_argument_too_large`.
Result<Bytes> EncodeAttestationRequest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data);

/// Errors of every decoding: kMalformed `cbor_malformed`, `cbor_type_unexpected`; kIo `nsm_refused`
/// (the module answers with an error), `nsm_reply_invalid` (a reply to another request, a field
/// that is missing, there twice, unknown or out of its bounds).
Result<NsmDescription> DecodeDescribeReply(ByteSpan reply);
/// 1 to 256 bytes. Secrets: `reply` holds them too, and is the caller's to wipe.
Result<SecretBytes> DecodeRandomReply(ByteSpan reply);
Result<NsmRegister> DecodeDescribeRegisterReply(ByteSpan reply);
/// The register's new value.
Result<cose::Pcr> DecodeExtendReply(ByteSpan reply);
Done DecodeLockReply(ByteSpan reply);
/// The document, which isn't looked at, but isn't empty.
Result<Bytes> DecodeAttestationReply(ByteSpan reply);

}  // namespace ephemeralml::attest
