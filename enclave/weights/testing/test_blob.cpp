#include "enclave/weights/testing/test_blob.h"

#include <algorithm>
#include <utility>

namespace ephemeralml::weights::testing {

WeightInfo TestBlob::Add(wire::ElementType type, std::vector<int64_t> shape, ByteSpan row_major,
                         PanelLayout layout, uint64_t panel_extent) {
  WeightInfo weight{type, std::move(shape), layout, plaintext_.size(), row_major.size(), 0};
  weight.panel_extent = panel_extent == 0 ? weight.extent() : panel_extent;
  if (layout == PanelLayout::kRows) {
    AppendBytes(plaintext_, row_major);
  } else {
    const size_t width = wire::ElementBytes(type);
    const auto rows = static_cast<size_t>(weight.shape[0]);
    const auto columns = static_cast<size_t>(weight.shape[1]);
    for (size_t begin = 0; begin < columns; begin += weight.panel_extent) {
      const size_t count = std::min<size_t>(weight.panel_extent, columns - begin);
      for (size_t row = 0; row < rows; ++row) {
        AppendBytes(plaintext_, row_major.subspan((row * columns + begin) * width, count * width));
      }
    }
  }
  plaintext_.resize((plaintext_.size() / wire::kWeightAlignment + 2) * wire::kWeightAlignment,
                    0xEE);
  return weight;
}

void TestBlob::Seal() {
  const size_t chunks = (plaintext_.size() + chunk_bytes_ - 1) / chunk_bytes_;
  plaintext_.resize(chunks * chunk_bytes_);
  SecretBytes secret(32);
  std::ranges::fill(secret.Fill(), kSecretByte);
  auto cipher = crypto::BlobCipher::Create(secret, id_, chunks, chunk_bytes_);
  CHECK(cipher.has_value());
  cipher_ = *std::move(cipher);
  const size_t sealed_bytes = cipher_->sealed_chunk_bytes();
  sealed_.resize(chunks * sealed_bytes);
  for (size_t i = 0; i < chunks; ++i) {
    cipher_->Seal(wire::ChunkIndex(i), ByteSpan(plaintext_).subspan(i * chunk_bytes_, chunk_bytes_),
                  MutableByteSpan(sealed_).subspan(i * sealed_bytes, sealed_bytes));
  }
}

}  // namespace ephemeralml::weights::testing
