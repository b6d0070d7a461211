#include "common/crypto/sha384.h"

#include <openssl/evp.h>

namespace ephemeralml::crypto {

struct Sha384::State {
  struct Free {
    void operator()(EVP_MD_CTX* unused) const { EVP_MD_CTX_free(unused); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha384::Sha384() : state_(std::make_unique<State>()) {
  CHECK(state_->context != nullptr);
  CHECK(EVP_DigestInit_ex(state_->context.get(), EVP_sha384(), nullptr) == 1);
}

Sha384::~Sha384() = default;

void Sha384::Update(ByteSpan bytes) {
  CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Sha384Digest Sha384::Finish() {
  Sha384Digest digest;
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) == 1);
  CHECK(size == digest.size());
  return digest;
}

Sha384Digest Sha384::Of(ByteSpan bytes) {
  Sha384 hash;
  hash.Update(bytes);
  return hash.Finish();
}

}  // namespace ephemeralml::crypto
