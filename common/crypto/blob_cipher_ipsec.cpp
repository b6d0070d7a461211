#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "common/crypto/blob_cipher_backends.h"

namespace ephemeralml::crypto::internal {
namespace {

// The library's table of functions for this processor. Made once and never freed: it holds no key.
const IMB_MGR* Functions() {
  static const IMB_MGR* const functions = []() -> const IMB_MGR* {
    IMB_MGR* manager = alloc_mb_mgr(0);
    if (manager == nullptr) return nullptr;
    init_mb_mgr_auto(manager, nullptr);
    const uint64_t tested = IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;
    const bool failed =
        imb_get_errno(manager) != 0 || (manager->features & tested) == IMB_FEATURE_SELF_TEST;
    if (!failed && manager->used_arch >= IMB_ARCH_AVX2) return manager;
    free_mb_mgr(manager);
    return nullptr;
  }();
  return functions;
}

// The library wants the expanded key on a cache line; a SecretBytes begins on a page.
class IpsecBlobCipher final : public BlobCipher {
 public:
  IpsecBlobCipher(const IMB_MGR* functions, const SecretBytes& key, const wire::BlobId& id,
                  uint64_t chunk_count, uint32_t chunk_bytes)
      : BlobCipher(id, chunk_count, chunk_bytes),
        functions_(functions),
        expanded_key_(sizeof(gcm_key_data)) {
    auto* expanded = reinterpret_cast<gcm_key_data*>(expanded_key_.Fill().data());
    IMB_AES256_GCM_PRE(functions_, key.Reveal().data(), expanded);
  }

  void Seal(wire::ChunkIndex index, ByteSpan plaintext, MutableByteSpan sealed) const override {
    CHECK(plaintext.size() == chunk_bytes() && sealed.size() == sealed_chunk_bytes());
    CHECK(index.Get() < chunk_count());
    const auto nonce = NonceOf(index);
    const auto associated = AssociatedDataOf(index);
    gcm_context_data context;
    IMB_AES256_GCM_ENC(functions_, Key(), &context, sealed.data(), plaintext.data(), chunk_bytes(),
                       nonce.data(), associated.data(), associated.size(),
                       sealed.data() + chunk_bytes(), wire::kTagBytes);
    WipeContext(context);
  }

  Done Open(wire::ChunkIndex index, ByteSpan sealed, MutableByteSpan plaintext,
            ByteSpan upcoming) const override {
    CHECK(plaintext.size() == chunk_bytes() && sealed.size() == sealed_chunk_bytes());
    CHECK(index.Get() < chunk_count());
    const auto nonce = NonceOf(index);
    const auto associated = AssociatedDataOf(index);
    std::array<uint8_t, wire::kTagBytes> tag;
    gcm_context_data context;
    if (upcoming.empty()) {
      IMB_AES256_GCM_DEC(functions_, Key(), &context, plaintext.data(), sealed.data(),
                         chunk_bytes(), nonce.data(), associated.data(), associated.size(),
                         tag.data(), tag.size());
    } else {
      IMB_AES256_GCM_INIT(functions_, Key(), &context, nonce.data(), associated.data(),
                          associated.size());
      DecryptFetching(context, sealed.data(), plaintext, upcoming);
      IMB_AES256_GCM_DEC_FINALIZE(functions_, Key(), &context, tag.data(), tag.size());
    }
    WipeContext(context);
    if (CRYPTO_memcmp(tag.data(), sealed.data() + chunk_bytes(), tag.size()) == 0) return {};
    // The right tag for a forged chunk is itself worth hiding.
    Wipe(tag);
    Wipe(plaintext);
    return WeightsUnauthentic();
  }

 private:
  const gcm_key_data* Key() const {
    return reinterpret_cast<const gcm_key_data*>(expanded_key_.Reveal().data());
  }

  // The processor's own prefetching ends at each page.
  void DecryptFetching(gcm_context_data& context, const uint8_t* sealed, MutableByteSpan plaintext,
                       ByteSpan upcoming) const {
    constexpr size_t kPiece = 2048;
    constexpr size_t kLine = 64;
    for (size_t at = 0; at < plaintext.size(); at += kPiece) {
      const size_t end = std::min(at + kPiece, upcoming.size());
      for (size_t line = at; line < end; line += kLine) __builtin_prefetch(&upcoming[line]);
      IMB_AES256_GCM_DEC_UPDATE(functions_, Key(), &context, plaintext.data() + at, sealed + at,
                                std::min(kPiece, plaintext.size() - at));
    }
  }

  // It holds a block of key stream and the state of GHASH.
  static void WipeContext(gcm_context_data& context) {
    Wipe({reinterpret_cast<uint8_t*>(&context), sizeof(context)});
  }

  const IMB_MGR* functions_;
  SecretBytes expanded_key_;
};

}  // namespace

std::unique_ptr<BlobCipher> MakeIpsecBlobCipher(const SecretBytes& key, const wire::BlobId& id,
                                                uint64_t chunk_count, uint32_t chunk_bytes) {
  const IMB_MGR* functions = Functions();
  if (functions == nullptr) return nullptr;
  return std::make_unique<IpsecBlobCipher>(functions, key, id, chunk_count, chunk_bytes);
}

}  // namespace ephemeralml::crypto::internal
