#include "common/crypto/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <climits>

namespace ephemeralml::crypto {

void FillRandom(MutableByteSpan out) {
  while (!out.empty()) {
    const size_t count = std::min<size_t>(out.size(), INT_MAX);
    CHECK(RAND_bytes(out.data(), static_cast<int>(count)) == 1);
    out = out.subspan(count);
  }
}

SecretBytes RandomSecret(size_t size) {
  SecretBytes secret(size);
  FillRandom(secret.Fill());
  return secret;
}

}  // namespace ephemeralml::crypto
