#pragma once
// The one request that we make of the Nitro Security Module, and its reply. The reply comes from
// the hypervisor, which is trusted, but is parsed as if it weren't.

#include "common/base/bytes.h"

namespace ephemeralml::attest {

inline constexpr size_t kLargestNsmRequestBytes = 0x1000;
inline constexpr size_t kLargestNsmReplyBytes = 0x3000;

/// CBOR: {"Attestation": {"user_data": …, "nonce": …, "public_key": …}}, null for what is empty.
/// Source: aws-nitro-enclaves-nsm-api, src/api/mod.rs, Request.
/// Errors: kInvalidArgument `attestation_argument_too_large`.
Result<Bytes> EncodeAttestationRequest(ByteSpan public_key, ByteSpan nonce, ByteSpan user_data);

/// The document in {"Attestation": {"document": bytes}}.
/// Errors: kMalformed `cbor_malformed`, `cbor_type_unexpected`; kIo `nsm_refused` (the module
/// answers with an error, or with something else).
Result<Bytes> DecodeAttestationReply(ByteSpan reply);

}  // namespace ephemeralml::attest
