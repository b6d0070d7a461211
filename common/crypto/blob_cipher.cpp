#include "common/crypto/blob_cipher.h"

#include <algorithm>

#include "common/crypto/aes_gcm.h"
#include "common/crypto/blob_cipher_backends.h"
#include "common/crypto/kdf.h"

namespace ephemeralml::crypto {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr std::string_view kKeyInfo = "EphemeralML weight blob 1";

void PutBigEndian(uint64_t value, std::span<uint8_t, 8> out) {
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(value >> (56 - 8 * i));
}

}  // namespace

namespace internal {
Error WeightsUnauthentic() {
  return {Code::kUnauthentic, "weights_unauthentic", "a chunk of weights is not what was sealed"};
}
}  // namespace internal

Result<std::unique_ptr<BlobCipher>> BlobCipher::Create(const SecretBytes& secret,
                                                       const wire::BlobId& id, uint64_t chunk_count,
                                                       uint32_t chunk_bytes, Backend backend) {
  if (secret.size() != kSecretBytes || chunk_count == 0 || chunk_count > wire::kMostChunks ||
      chunk_bytes < wire::kSmallestChunkBytes || chunk_bytes > wire::kLargestChunkBytes) {
    return Error{Code::kMalformed, "blob_malformed",
                 "the topology key describes its blob by a secret, a chunk size or a chunk count "
                 "that the format doesn't allow"};
  }
  SecretBytes key = HkdfSha384(secret, id, kKeyInfo, kAesKeyBytes);
  std::unique_ptr<BlobCipher> cipher;
  if (backend == Backend::kFastest) {
    cipher = internal::MakeIpsecBlobCipher(key, id, chunk_count, chunk_bytes);
  }
  if (cipher == nullptr) {
    cipher = internal::MakeOpenSslBlobCipher(std::move(key), id, chunk_count, chunk_bytes);
  }
  return cipher;
}

std::array<uint8_t, BlobCipher::kNonceBytes> BlobCipher::NonceOf(wire::ChunkIndex index) const {
  std::array<uint8_t, kNonceBytes> nonce = {};
  PutBigEndian(index.Get(), std::span(nonce).last<8>());
  return nonce;
}

std::array<uint8_t, BlobCipher::kAssociatedBytes> BlobCipher::AssociatedDataOf(
    wire::ChunkIndex index) const {
  std::array<uint8_t, kAssociatedBytes> data = {};
  data[0] = wire::kBlobFormatVersion;
  std::ranges::copy(id_, data.begin() + 1);
  PutBigEndian(index.Get(), std::span(data).subspan<17, 8>());
  PutBigEndian(chunk_count_, std::span(data).subspan<25, 8>());
  return data;
}

}  // namespace ephemeralml::crypto
