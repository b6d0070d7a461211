#include "common/crypto/kdf.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>

namespace ephemeralml::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};
using KdfContext = std::unique_ptr<EVP_KDF_CTX, FreeContext>;

KdfContext NewContext(const char* name) {
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, name, nullptr);
  CHECK(kdf != nullptr);
  KdfContext context(EVP_KDF_CTX_new(kdf));
  EVP_KDF_free(kdf);
  CHECK(context != nullptr);
  return context;
}

// OpenSSL's parameters take mutable pointers that it only reads. An empty string still needs one.
OSSL_PARAM Octets(const char* key, ByteSpan bytes) {
  static uint8_t empty = 0;
  return OSSL_PARAM_construct_octet_string(
      key, bytes.empty() ? &empty : const_cast<uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

SecretBytes HkdfSha384(const SecretBytes& input, ByteSpan salt, std::string_view info,
                       size_t size) {
  const KdfContext context = NewContext("HKDF");
  char digest[] = "SHA384";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      Octets(OSSL_KDF_PARAM_KEY, input.Reveal()),
      Octets(OSSL_KDF_PARAM_SALT, salt),
      Octets(OSSL_KDF_PARAM_INFO, AsBytes(info)),
      OSSL_PARAM_construct_end(),
  };
  SecretBytes key(size);
  CHECK(EVP_KDF_derive(context.get(), key.Fill().data(), size, parameters) == 1);
  return key;
}

Result<SecretBytes> Scrypt(const SecretBytes& passphrase, ByteSpan salt, ScryptCost cost,
                           size_t size) {
  CHECK(cost.log2_n >= 1 && cost.log2_n < 32 && cost.r >= 1 && cost.p >= 1);
  const KdfContext context = NewContext("SCRYPT");
  uint64_t n = uint64_t{1} << cost.log2_n;
  uint32_t r = cost.r;
  uint32_t p = cost.p;
  uint64_t most_bytes = UINT64_MAX;  // the caller has bounded the cost
  const OSSL_PARAM parameters[] = {
      Octets(OSSL_KDF_PARAM_PASSWORD, passphrase.Reveal()),
      Octets(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most_bytes),
      OSSL_PARAM_construct_end(),
  };
  SecretBytes key(size);
  if (EVP_KDF_derive(context.get(), key.Fill().data(), size, parameters) != 1) {
    ERR_clear_error();
    return Error{Code::kOverLimit, "memory_unavailable",
                 "deriving a key from the passphrase needs " + std::to_string(n * r / 8192) +
                     " MiB of memory, and there isn't that much"};
  }
  return key;
}

}  // namespace ephemeralml::crypto
