#pragma once
// AES-256-GCM over one message at a time, for small things such as key files. Chunks of weights
// have blob_cipher.h. Source: NIST SP 800-38D.

#include "common/base/secret_bytes.h"
#include "common/base/strong.h"

namespace ephemeralml::crypto {

inline constexpr size_t kAesKeyBytes = 32;
inline constexpr size_t kGcmTagBytes = 16;
struct GcmNonce : FixedBytes<struct GcmNonceTag, 12> {};

/// Ciphertext ‖ tag. The caller never uses a nonce twice under one key.
/// Binds: `associated_data`.
Bytes SealAesGcm(const SecretBytes& key, const GcmNonce& nonce, ByteSpan associated_data,
                 ByteSpan plaintext);

/// Opens what SealAesGcm made. Errors: kUnauthentic `ciphertext_unauthentic`.
Result<SecretBytes> OpenAesGcm(const SecretBytes& key, const GcmNonce& nonce,
                               ByteSpan associated_data, ByteSpan sealed);

}  // namespace ephemeralml::crypto
