#pragma once
// Sealing and opening the chunks of one weight blob: AES-256-GCM under a key that is used for this
// blob alone. Called by the decomposer (Seal) and by the enclave's panel streams (Open). Sealed
// chunks are hostile: the host stored them. Format: docs/formats/weight_blob.md.

#include <array>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/secret_bytes.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::crypto {

/// Which library does the work. Both give the same bytes.
enum class Backend {
  kFastest,  ///< ipsec-mb where the processor has what it is fast with, else OpenSSL
  kOpenSsl,
};

/// Threads: any number may seal and open at a time.
/// Secrets: the expanded key is wiped on destruction.
class BlobCipher {
 public:
  /// Derives the blob's key: HKDF-SHA-384, input the model's 32-byte secret, salt the blob id.
  /// Errors: kMalformed `blob_malformed` (chunk size or count out of range, or secret of another
  /// size).
  static Result<std::unique_ptr<BlobCipher>> Create(const SecretBytes& secret,
                                                    const wire::BlobId& id, uint64_t chunk_count,
                                                    uint32_t chunk_bytes,
                                                    Backend backend = Backend::kFastest);
  virtual ~BlobCipher() = default;
  BlobCipher(const BlobCipher&) = delete;
  BlobCipher& operator=(const BlobCipher&) = delete;

  uint64_t chunk_count() const { return chunk_count_; }
  uint32_t chunk_bytes() const { return chunk_bytes_; }
  uint32_t sealed_chunk_bytes() const { return chunk_bytes_ + wire::kTagBytes; }

  /// Seals `plaintext` (chunk_bytes) into `sealed` (sealed_chunk_bytes: ciphertext ‖ tag).
  /// Binds: format version ‖ blob id ‖ index ‖ chunk count as associated data.
  /// Nonce: the index, 96 bits big-endian. The caller never seals two plaintexts under one index.
  virtual void Seal(wire::ChunkIndex index, ByteSpan plaintext, MutableByteSpan sealed) const = 0;

  /// Opens one chunk; the tag is checked before this returns, and on failure `plaintext` is wiped.
  /// Meanwhile ipsec-mb's side brings `upcoming`, if it isn't empty, into the cache, as far as
  /// opening takes long enough; nobody reads it. With nothing to be fetched, a tenth faster.
  /// Errors: kUnauthentic `weights_unauthentic`.
  virtual Done Open(wire::ChunkIndex index, ByteSpan sealed, MutableByteSpan plaintext,
                    ByteSpan upcoming) const = 0;
  Done Open(wire::ChunkIndex index, ByteSpan sealed, MutableByteSpan plaintext) const {
    return Open(index, sealed, plaintext, {});
  }

  /// Where a chunk doesn't lie in the cache yet, what of it Open() has time to fetch begins here.
  static constexpr size_t kFetchedAhead = 2048;

 protected:
  BlobCipher(const wire::BlobId& id, uint64_t chunk_count, uint32_t chunk_bytes)
      : id_(id), chunk_count_(chunk_count), chunk_bytes_(chunk_bytes) {}

  static constexpr size_t kNonceBytes = 12;
  static constexpr size_t kAssociatedBytes = 1 + 16 + 8 + 8;
  std::array<uint8_t, kNonceBytes> NonceOf(wire::ChunkIndex index) const;
  std::array<uint8_t, kAssociatedBytes> AssociatedDataOf(wire::ChunkIndex index) const;

 private:
  wire::BlobId id_;
  uint64_t chunk_count_;
  uint32_t chunk_bytes_;
};

}  // namespace ephemeralml::crypto
