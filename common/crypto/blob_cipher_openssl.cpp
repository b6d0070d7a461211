#include <openssl/evp.h>

#include "common/crypto/blob_cipher_backends.h"

namespace ephemeralml::crypto::internal {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

struct FreeCipher {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
};

// A context for each chunk: OpenSSL wipes the key schedule in it when it is freed, and threads
// share nothing but the key.
class OpenSslBlobCipher final : public BlobCipher {
 public:
  OpenSslBlobCipher(SecretBytes key, const wire::BlobId& id, uint64_t chunk_count,
                    uint32_t chunk_bytes)
      : BlobCipher(id, chunk_count, chunk_bytes),
        key_(std::move(key)),
        cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)) {
    CHECK(cipher_ != nullptr);
  }

  void Seal(wire::ChunkIndex index, ByteSpan plaintext, MutableByteSpan sealed) const override {
    CHECK(plaintext.size() == chunk_bytes() && sealed.size() == sealed_chunk_bytes());
    const CipherContext context = Start(index, 1);
    Update(context.get(), plaintext, sealed.data());
    uint8_t* tag = sealed.data() + chunk_bytes();
    int count = 0;
    CHECK(EVP_CipherFinal_ex(context.get(), tag, &count) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, wire::kTagBytes, tag) == 1);
  }

  Done Open(wire::ChunkIndex index, ByteSpan sealed, MutableByteSpan plaintext,
            ByteSpan /*upcoming*/) const override {
    CHECK(plaintext.size() == chunk_bytes() && sealed.size() == sealed_chunk_bytes());
    const CipherContext context = Start(index, 0);
    Update(context.get(), sealed.first(chunk_bytes()), plaintext.data());
    // OpenSSL only reads the tag that it is to expect.
    auto* tag = const_cast<uint8_t*>(sealed.data() + chunk_bytes());
    CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, wire::kTagBytes, tag) == 1);
    int count = 0;
    uint8_t none = 0;
    if (EVP_CipherFinal_ex(context.get(), &none, &count) == 1) return {};
    Wipe(plaintext);
    return WeightsUnauthentic();
  }

 private:
  CipherContext Start(wire::ChunkIndex index, int encrypt) const {
    CHECK(index.Get() < chunk_count());
    CipherContext context(EVP_CIPHER_CTX_new());
    CHECK(context != nullptr);
    const auto nonce = NonceOf(index);
    const auto associated = AssociatedDataOf(index);
    CHECK(EVP_CipherInit_ex2(context.get(), cipher_.get(), key_.Reveal().data(), nonce.data(),
                             encrypt, nullptr) == 1);
    Update(context.get(), associated, nullptr);
    return context;
  }

  static void Update(EVP_CIPHER_CTX* context, ByteSpan in, uint8_t* out) {
    int count = 0;
    CHECK(EVP_CipherUpdate(context, out, &count, in.data(), static_cast<int>(in.size())) == 1);
  }

  SecretBytes key_;
  std::unique_ptr<EVP_CIPHER, FreeCipher> cipher_;
};

}  // namespace

std::unique_ptr<BlobCipher> MakeOpenSslBlobCipher(SecretBytes key, const wire::BlobId& id,
                                                  uint64_t chunk_count, uint32_t chunk_bytes) {
  return std::make_unique<OpenSslBlobCipher>(std::move(key), id, chunk_count, chunk_bytes);
}

}  // namespace ephemeralml::crypto::internal
