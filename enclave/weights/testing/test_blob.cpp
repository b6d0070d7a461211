#include "enclave/weights/testing/test_blob.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ephemeralml::weights::testing {
namespace {

// Where in a row-major tensor the factor of one step and column is.
size_t ElementAt(const WeightInfo& weight, size_t step, size_t column) {
  const auto dim = [&](size_t i) { return static_cast<size_t>(weight.shape[i]); };
  if (weight.shape.size() == 2) return step * dim(1) + column;
  const size_t taps = dim(2) * dim(3);
  const size_t block = step / (wire::kLaneColumns * taps) * wire::kLaneColumns;
  const size_t lanes = std::min<size_t>(wire::kLaneColumns, dim(1) - block);
  const size_t within = step - block * taps;
  return (column * dim(1) + block + within % lanes) * taps + within / lanes;
}

// Of a value that the type holds exactly, and that isn't a denormal one.
uint32_t StoredBits(float value, wire::ElementType storage) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (storage == wire::ElementType::kBfloat16) return bits >> 16;
  if (storage != wire::ElementType::kFloat16 || value == 0) return bits;
  return (bits >> 16 & 0x8000) | ((bits >> 13 & 0x3FFFF) - ((127 - 15) << 10));
}

}  // namespace

WeightInfo TestBlob::Add(wire::ElementType type, std::vector<int64_t> shape, ByteSpan row_major,
                         PanelLayout layout, uint64_t panel_extent) {
  WeightInfo weight{type, std::move(shape), layout, plaintext_.size(), row_major.size(), 0, {},
                    type};
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

WeightInfo TestBlob::AddPacked(std::vector<int64_t> shape, const std::vector<float>& row_major,
                               const std::vector<float>& bias, PanelLayout layout,
                               wire::ElementType storage) {
  WeightInfo weight{
      wire::ElementType::kFloat, std::move(shape), layout, plaintext_.size(), 0, 0, {}, storage};
  const bool is_paired = layout == PanelLayout::kMatrixPairs;
  weight.packed.columns = static_cast<uint64_t>(weight.shape[weight.shape.size() == 2 ? 1 : 0]);
  const size_t steps = row_major.size() / weight.packed.columns;
  weight.packed.steps = is_paired ? (steps + 1) / 2 : steps;
  weight.packed.has_bias = !bias.empty();
  if (is_paired) weight.storage = wire::ElementType::kUint32;
  const auto factor = [&](size_t step, size_t column) {
    return step < steps ? row_major[ElementAt(weight, step, column)] : 0.0f;
  };
  const auto pair = [&](size_t step, size_t column) {
    return StoredBits(factor(2 * step, column), wire::ElementType::kBfloat16) |
           StoredBits(factor(2 * step + 1, column), wire::ElementType::kBfloat16) << 16;
  };
  std::vector<uint32_t> packed;
  for (uint64_t panel = 0; panel < weight.packed.panel_count(); ++panel) {
    const auto append_row = [&](auto&& bits_at) {
      for (uint64_t i = 0; i < weight.packed.WidthOf(panel); ++i) {
        packed.push_back(
            i < weight.packed.ColumnsOf(panel) ? bits_at(panel * wire::kPanelColumns + i) : 0);
      }
    };
    if (!bias.empty()) {
      append_row([&](size_t column) { return StoredBits(bias[column], weight.storage); });
    }
    for (size_t step = 0; step < weight.packed.steps; ++step) {
      append_row([&](size_t column) {
        return is_paired ? pair(step, column) : StoredBits(factor(step, column), storage);
      });
    }
  }
  const size_t element_bytes = wire::ElementBytes(weight.storage);
  weight.byte_count = packed.size() * element_bytes;
  for (const uint32_t bits : packed) {
    AppendBytes(plaintext_, {reinterpret_cast<const uint8_t*>(&bits), element_bytes});
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
