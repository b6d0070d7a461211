#pragma once
// Keys from secrets (HKDF) and from passphrases (scrypt).

#include "common/base/secret_bytes.h"

namespace ephemeralml::crypto {

/// Derives `size` bytes from a secret of full entropy. `info` names the use: one secret, one salt
/// and two uses give two unrelated keys. Source: RFC 5869 with SHA-384.
SecretBytes HkdfSha384(const SecretBytes& input, ByteSpan salt, std::string_view info, size_t size);

/// What a guess at a passphrase costs: 2^log2_n * r * 128 bytes of memory and time in proportion to
/// that times p. Whoever reads these numbers from a file bounds them first.
struct ScryptCost {
  uint8_t log2_n = 17;
  uint8_t r = 8;
  uint8_t p = 1;
};

/// Derives `size` bytes from a passphrase. Source: RFC 7914.
/// Errors: kOverLimit `memory_unavailable` (the cost asks for more memory than there is).
Result<SecretBytes> Scrypt(const SecretBytes& passphrase, ByteSpan salt, ScryptCost cost,
                           size_t size);

}  // namespace ephemeralml::crypto
