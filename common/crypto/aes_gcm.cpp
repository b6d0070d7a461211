#include "common/crypto/aes_gcm.h"

#include <openssl/evp.h>

#include <climits>
#include <memory>

namespace ephemeralml::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;
constexpr int kEncrypt = 1;
constexpr int kDecrypt = 0;

CipherContext Start(const SecretBytes& key, const GcmNonce& nonce, ByteSpan associated_data,
                    int direction) {
  CHECK(key.size() == kAesKeyBytes && associated_data.size() <= INT_MAX);
  CipherContext context(EVP_CIPHER_CTX_new());
  CHECK(context != nullptr);
  CHECK(EVP_CipherInit_ex2(context.get(), EVP_aes_256_gcm(), key.Reveal().data(), nonce.data(),
                           direction, nullptr) == 1);
  int count = 0;
  CHECK(EVP_CipherUpdate(context.get(), nullptr, &count, associated_data.data(),
                         static_cast<int>(associated_data.size())) == 1);
  return context;
}

void Update(EVP_CIPHER_CTX* context, ByteSpan in, uint8_t* out) {
  CHECK(in.size() <= INT_MAX);
  int count = 0;
  if (in.empty()) return;
  CHECK(EVP_CipherUpdate(context, out, &count, in.data(), static_cast<int>(in.size())) == 1);
}

}  // namespace

Bytes SealAesGcm(const SecretBytes& key, const GcmNonce& nonce, ByteSpan associated_data,
                 ByteSpan plaintext) {
  const CipherContext context = Start(key, nonce, associated_data, kEncrypt);
  Bytes sealed(plaintext.size() + kGcmTagBytes);
  uint8_t* tag = sealed.data() + plaintext.size();
  Update(context.get(), plaintext, sealed.data());
  int count = 0;
  CHECK(EVP_CipherFinal_ex(context.get(), tag, &count) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag) == 1);
  return sealed;
}

Result<SecretBytes> OpenAesGcm(const SecretBytes& key, const GcmNonce& nonce,
                               ByteSpan associated_data, ByteSpan sealed) {
  const Error unauthentic{Code::kUnauthentic, "ciphertext_unauthentic", "a tag doesn't match"};
  if (sealed.size() < kGcmTagBytes) return unauthentic;
  const ByteSpan ciphertext = sealed.first(sealed.size() - kGcmTagBytes);
  const CipherContext context = Start(key, nonce, associated_data, kDecrypt);
  SecretBytes plaintext(ciphertext.size());
  Update(context.get(), ciphertext, plaintext.Fill().data());
  // OpenSSL only reads the tag that it is to expect.
  auto* tag = const_cast<uint8_t*>(sealed.last(kGcmTagBytes).data());
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, tag) == 1);
  int count = 0;
  uint8_t none = 0;
  if (EVP_CipherFinal_ex(context.get(), &none, &count) != 1) return unauthentic;
  return plaintext;
}

}  // namespace ephemeralml::crypto
