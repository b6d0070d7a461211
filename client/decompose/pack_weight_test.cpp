#include "client/decompose/pack_weight.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>

namespace ephemeralml::decompose {
namespace {

// What a source is packed to, read back from the sealed blob.
template <class Element = float>
std::vector<Element> Pack(const PackSource& source) {
  wire::PackedShape shape = PackedShapeOf(source.dims, source.transposed, !source.bias.empty());
  if (source.paired) shape.steps = (shape.steps + 1) / 2;
  const uint64_t bytes = shape.OffsetOf(shape.panel_count()) * sizeof(Element);
  const uint64_t chunks = *PaddedChunkCount(bytes);
  SecretBytes secret(32);
  const auto cipher = *crypto::BlobCipher::Create(secret, {}, chunks, wire::kChunkBytes);
  Bytes sealed;
  const auto sink = [&](ByteSpan part) -> Done {
    AppendBytes(sealed, part);
    return {};
  };
  BlobWriter writer(*cipher, sink, {});
  EXPECT_TRUE(AppendPacked(writer, source).has_value());
  EXPECT_TRUE(writer.Finish().has_value());
  Bytes plain(chunks * wire::kChunkBytes);
  for (uint64_t i = 0; i < chunks; ++i) {
    const uint64_t sealed_bytes = cipher->sealed_chunk_bytes();
    EXPECT_TRUE(cipher
                    ->Open(wire::ChunkIndex(i),
                           ByteSpan(sealed).subspan(i * sealed_bytes, sealed_bytes),
                           MutableByteSpan(plain).subspan(i * wire::kChunkBytes, wire::kChunkBytes))
                    .has_value());
  }
  std::vector<Element> elements(bytes / sizeof(Element));
  std::memcpy(elements.data(), plain.data(), bytes);
  return elements;
}

std::vector<float> Numbered(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i + 1);
  return values;
}

ByteSpan AsSpan(const std::vector<float>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)};
}

TEST(PackWeight, MatrixGoesColumnBlockByColumnBlock) {
  const std::vector<float> values = Numbered(70 * 130);
  const std::vector<int64_t> dims = {70, 130};
  const std::vector<float> packed = Pack({.values = AsSpan(values), .dims = dims});
  ASSERT_EQ(packed.size(), 70u * (64 + 64 + 16));
  for (size_t step = 0; step < 70; ++step) {
    for (size_t column = 0; column < 144; ++column) {
      const size_t panel = column / 64;
      const size_t width = panel == 2 ? 16 : 64;
      const float expected = column < 130 ? values[step * 130 + column] : 0.0f;
      ASSERT_EQ(packed[panel * 64 * 70 + step * width + column % 64], expected);
    }
  }
}

TEST(PackWeight, PairsStandSideBySideInBfloat16) {
  std::vector<float> values = Numbered(67 * 70);
  values[3] = 1 + 0x1p-8f;  // a tie
  values[70 + 3] = std::numeric_limits<float>::denorm_min();
  const std::vector<int64_t> dims = {67, 70};
  const std::vector<float> bias = Numbered(70);
  const std::vector<uint32_t> packed = Pack<uint32_t>({.values = AsSpan(values),
                                                       .dims = dims,
                                                       .bias = bias,
                                                       .storage = wire::ElementType::kBfloat16,
                                                       .paired = true});
  const auto rounded = [&](size_t row, size_t column) -> uint32_t {
    if (row >= 67) return 0;
    const auto bits = std::bit_cast<uint32_t>(values[row * 70 + column]);
    if ((bits & 0x7F800000) == 0) return 0;
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  };
  for (size_t column = 0; column < 70; ++column) {
    const size_t width = column < 64 ? 64 : 16;
    const size_t base = column < 64 ? column : size_t{64} * 35 + column - 64;
    ASSERT_EQ(std::bit_cast<float>(packed[base]), bias[column]);
    for (size_t pair = 0; pair < 34; ++pair) {
      ASSERT_EQ(packed[base + (pair + 1) * width],
                rounded(2 * pair, column) | rounded(2 * pair + 1, column) << 16)
          << pair << ", " << column;
    }
  }
  ASSERT_EQ(packed[64 + 3], 0x3F80U) << "ties go to even, what isn't normal to zero";
}

TEST(PackWeight, TransposedMatrixIsPackedAsItsTranspose) {
  const std::vector<float> values = Numbered(70 * 33);
  std::vector<float> turned(values.size());
  for (size_t i = 0; i < 70; ++i) {
    for (size_t j = 0; j < 33; ++j) turned[j * 70 + i] = values[i * 33 + j];
  }
  const std::vector<int64_t> dims = {70, 33};
  const std::vector<int64_t> turned_dims = {33, 70};
  EXPECT_EQ(Pack({.values = AsSpan(values), .dims = dims}),
            Pack({.values = AsSpan(turned), .dims = turned_dims, .transposed = true}));
}

TEST(PackWeight, BiasIsEachPanelsFirstRow) {
  const std::vector<float> values = Numbered(2 * 80);
  const std::vector<float> bias = Numbered(80);
  const std::vector<int64_t> dims = {2, 80};
  const std::vector<float> packed = Pack({.values = AsSpan(values), .dims = dims, .bias = bias});
  ASSERT_EQ(packed.size(), 3u * 80);
  for (size_t column = 0; column < 64; ++column) EXPECT_EQ(packed[column], bias[column]);
  for (size_t column = 0; column < 16; ++column) {
    EXPECT_EQ(packed[3 * 64 + column], bias[64 + column]);
    EXPECT_EQ(packed[3 * 64 + 16 + column], values[64 + column]);
  }
}

TEST(PackWeight, KernelGoesByChannelBlocksThenTapsThenChannels) {
  const std::vector<float> values = Numbered(3 * 20 * 2 * 3);
  const std::vector<int64_t> dims = {3, 20, 2, 3};
  const std::vector<float> scale = {1, 10, 100};
  const std::vector<float> packed =
      Pack({.values = AsSpan(values), .dims = dims, .column_scale = scale});
  ASSERT_EQ(packed.size(), 20u * 6 * 16);
  size_t row = 0;
  for (size_t block = 0; block < 20; block += 16) {
    for (size_t tap = 0; tap < 6; ++tap) {
      for (size_t lane = block; lane < std::min<size_t>(block + 16, 20); ++lane, ++row) {
        for (size_t column = 0; column < 3; ++column) {
          ASSERT_EQ(packed[row * 16 + column],
                    values[(column * 20 + lane) * 6 + tap] * scale[column]);
        }
        for (size_t column = 3; column < 16; ++column) ASSERT_EQ(packed[row * 16 + column], 0.0f);
      }
    }
  }
}

TEST(PackWeight, FiltersOfOneChannelGoTapByTap) {
  const std::vector<float> values = Numbered(20 * 9);
  const std::vector<int64_t> dims = {20, 1, 3, 3};
  const std::vector<float> packed = Pack({.values = AsSpan(values), .dims = dims});
  ASSERT_EQ(packed.size(), 9u * 32);
  for (size_t tap = 0; tap < 9; ++tap) {
    for (size_t channel = 0; channel < 20; ++channel) {
      ASSERT_EQ(packed[tap * 32 + channel], values[channel * 9 + tap]);
    }
  }
}

TEST(PackWeight, HalvesAreTheNearestOnesInTheSamePlaces) {
  const std::vector<float> values = {1.0f, -2.5f, 65504.0f, 1.0f / 3, 1e-6f, 0.0f};
  const std::vector<int64_t> dims = {1, 6};
  const auto half = Pack<uint16_t>(
      {.values = AsSpan(values), .dims = dims, .storage = wire::ElementType::kFloat16});
  EXPECT_EQ(half, (std::vector<uint16_t>{0x3C00, 0xC100, 0x7BFF, 0x3555, 0x0011, 0, 0, 0, 0, 0, 0,
                                         0, 0, 0, 0, 0}));
  const auto brain = Pack<uint16_t>(
      {.values = AsSpan(values), .dims = dims, .storage = wire::ElementType::kBfloat16});
  EXPECT_EQ(brain, (std::vector<uint16_t>{0x3F80, 0xC020, 0x4780, 0x3EAB, 0x3586, 0, 0, 0, 0, 0, 0,
                                          0, 0, 0, 0, 0}));
}

TEST(PackWeight, RefusesWhatFloat16CannotHold) {
  const std::vector<float> values = {1.0f, 65520.0f};
  const std::vector<int64_t> dims = {1, 2};
  SecretBytes secret(32);
  const auto cipher = *crypto::BlobCipher::Create(secret, {}, 1, wire::kChunkBytes);
  const auto sink = [](ByteSpan) -> Done { return {}; };
  BlobWriter writer(*cipher, sink, {});
  PackSource source{.values = AsSpan(values), .dims = dims, .storage = wire::ElementType::kFloat16};
  EXPECT_EQ(AppendPacked(writer, source).error().reason, "weight_out_of_range");
  source.storage = wire::ElementType::kBfloat16;
  EXPECT_TRUE(AppendPacked(writer, source).has_value());
}

}  // namespace
}  // namespace ephemeralml::decompose
