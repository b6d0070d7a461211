#pragma once
// A weight blob made for a test: weights are laid into a plaintext stream as the decomposer lays
// them, and really sealed.

#include <memory>

#include "common/base/bytes.h"
#include "common/base/secret_bytes.h"
#include "common/crypto/blob_cipher.h"
#include "enclave/weights/panel_stream.h"

namespace ephemeralml::weights::testing {

class TestBlob {
 public:
  explicit TestBlob(uint32_t chunk_bytes = wire::kSmallestChunkBytes) : chunk_bytes_(chunk_bytes) {}

  /// Appends a tensor, given in row-major order, 64 bytes after the last one's end or more, so that
  /// panels straddle chunks.
  WeightInfo Add(wire::ElementType type, std::vector<int64_t> shape, ByteSpan row_major,
                 PanelLayout layout, uint64_t panel_extent);

  /// Appends a float32 tensor, given in row-major order, as a packed weight: element by element as
  /// the format's description says. `bias` is empty or has one element a column. A half-precision
  /// `storage` must hold the values exactly, as bfloat16 must those of kMatrixPairs.
  WeightInfo AddPacked(std::vector<int64_t> shape, const std::vector<float>& row_major,
                       const std::vector<float>& bias, PanelLayout layout,
                       wire::ElementType storage = wire::ElementType::kFloat);

  /// Seals what was added, once.
  void Seal();

  uint64_t chunk_count() const { return cipher_->chunk_count(); }
  uint32_t chunk_bytes() const { return chunk_bytes_; }
  const wire::BlobId& id() const { return id_; }
  static constexpr uint8_t kSecretByte = 7;  ///< 32 of these are the model's secret

  SealedModel model() const { return {sealed_, cipher_.get()}; }
  /// For tests that play the host.
  Bytes& sealed() { return sealed_; }

 private:
  uint32_t chunk_bytes_;
  wire::BlobId id_ = {};
  Bytes plaintext_ = Bytes(64, 0xEE);
  Bytes sealed_;
  std::unique_ptr<crypto::BlobCipher> cipher_;
};

}  // namespace ephemeralml::weights::testing
