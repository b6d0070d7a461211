#pragma once
// Requests and replies between their C++ forms and wire/session.proto.

#include "client/session/session.h"

namespace ephemeralml::session {

/// A serialized wire::Request. Errors: kMalformed `topology_malformed`, kOverLimit
/// `message_too_large`.
Result<SecretBytes> EncodeRequest(const SecretBytes& topology,
                                  std::span<const tensors::NamedTensor> inputs,
                                  Lifetime lifetime = Lifetime::kRequest);

/// The same for a topology whose plan the enclave keeps. Errors: kOverLimit `message_too_large`.
Result<SecretBytes> EncodeFurtherRequest(std::span<const tensors::NamedTensor> inputs,
                                         Lifetime lifetime);

/// Errors: kMalformed `reply_malformed`, or the failure that the reply carries.
Result<Answer> DecodeReply(const SecretBytes& reply);

}  // namespace ephemeralml::session
