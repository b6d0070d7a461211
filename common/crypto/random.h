#pragma once
// Random bytes for keys, nonces, salts and ids.

#include "common/base/bytes.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml::crypto {

/// Fills `out` from the system's cryptographic generator; ends the process if that has failed, for
/// there is no safe way on.
void FillRandom(MutableByteSpan out);

/// `size` fresh random bytes, as a secret.
SecretBytes RandomSecret(size_t size);

}  // namespace ephemeralml::crypto
