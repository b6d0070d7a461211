#include "client/decompose/blob_writer.h"

#include <gtest/gtest.h>

#include "common/crypto/random.h"
#include "common/wire/frame.h"

namespace ephemeralml::decompose {
namespace {

constexpr uint64_t kChunk = wire::kChunkBytes;

TEST(PaddedChunkCount, HidesSmallModelsWhole) {
  EXPECT_EQ(PaddedChunkCount(0).value(), kFewestChunks);
  EXPECT_EQ(PaddedChunkCount(1).value(), kFewestChunks);
  EXPECT_EQ(PaddedChunkCount(kFewestChunks * kChunk).value(), kFewestChunks);
}

TEST(PaddedChunkCount, FollowsPadmeAboveThat) {
  EXPECT_EQ(PaddedChunkCount(kFewestChunks * kChunk + 1).value(), 72U);
  EXPECT_EQ(PaddedChunkCount(1000 * kChunk).value(), wire::Padme(1000));
  for (uint64_t chunks = 65; chunks < 100'000; chunks += 77) {
    const uint64_t padded = PaddedChunkCount(chunks * kChunk).value();
    EXPECT_GE(padded, chunks);
    EXPECT_LE(padded, chunks + chunks / 8);
  }
}

TEST(PaddedChunkCount, RefusesWhatNoBlobCanHold) {
  EXPECT_EQ(PaddedChunkCount(wire::kMostChunks * kChunk).value(), wire::kMostChunks);
  EXPECT_EQ(PaddedChunkCount(wire::kMostChunks * kChunk + 1).error().reason, "blob_too_large");
  EXPECT_EQ(PaddedChunkCount(UINT64_MAX).error().reason, "blob_too_large");
}

class BlobWriterTest : public testing::Test {
 protected:
  static constexpr uint64_t kCount = 130;

  BlobWriter Writer() {
    return BlobWriter(
        *cipher_,
        [this](ByteSpan sealed) -> Done {
          largest_write_ = std::max(largest_write_, sealed.size());
          AppendBytes(blob_, sealed);
          return {};
        },
        [this](uint64_t done, uint64_t all) { progress_.emplace_back(done, all); });
  }
  Bytes Opened() const {
    Bytes plaintext(kCount * kChunk);
    const size_t sealed = cipher_->sealed_chunk_bytes();
    CHECK(blob_.size() == kCount * sealed);
    for (size_t i = 0; i < kCount; ++i) {
      CHECK(cipher_
                ->Open(wire::ChunkIndex(i), ByteSpan(blob_).subspan(i * sealed, sealed),
                       MutableByteSpan(plaintext).subspan(i * kChunk, kChunk))
                .has_value());
    }
    return plaintext;
  }

  const std::unique_ptr<crypto::BlobCipher> cipher_ =
      crypto::BlobCipher::Create(crypto::RandomSecret(32), {}, kCount, wire::kChunkBytes).value();
  Bytes blob_;
  size_t largest_write_ = 0;
  std::vector<std::pair<uint64_t, uint64_t>> progress_;
};

TEST_F(BlobWriterTest, CutsTheStreamIntoChunksHoweverItComes) {
  Bytes stream(3 * kChunk + 5);
  crypto::FillRandom(stream);
  BlobWriter writer = Writer();
  size_t at = 0;
  for (size_t piece = 1; at < stream.size(); piece = piece * 3 + 1) {
    const size_t count = std::min(piece, stream.size() - at);
    ASSERT_TRUE(writer.Append(ByteSpan(stream).subspan(at, count)));
    at += count;
  }
  ASSERT_TRUE(writer.Finish());
  stream.resize(kCount * kChunk);
  EXPECT_EQ(Opened(), stream);
}

TEST_F(BlobWriterTest, FillsGapsWithZerosEvenAfterSecrets) {
  BlobWriter writer = Writer();
  ASSERT_TRUE(writer.Append(Bytes(kChunk, 0xAB)));
  ASSERT_TRUE(writer.Append(Bytes(3, 0xCD)));
  ASSERT_TRUE(writer.PadTo(kChunk + 64));
  ASSERT_TRUE(writer.Append(Bytes(1, 0xEF)));
  ASSERT_TRUE(writer.Finish());
  Bytes expected(kCount * kChunk);
  std::fill_n(expected.begin(), kChunk, uint8_t{0xAB});
  std::fill_n(expected.begin() + kChunk, 3, uint8_t{0xCD});
  expected[kChunk + 64] = 0xEF;
  EXPECT_EQ(Opened(), expected);
}

TEST_F(BlobWriterTest, SealsPaddingLikeEverythingElse) {
  BlobWriter writer = Writer();
  ASSERT_TRUE(writer.Finish());
  EXPECT_EQ(Opened(), Bytes(kCount * kChunk));
  std::array<size_t, 256> counts = {};
  for (const uint8_t byte : blob_) ++counts[byte];
  for (const size_t count : counts) {
    EXPECT_GT(count, blob_.size() / 256 * 9 / 10);
    EXPECT_LT(count, blob_.size() / 256 * 11 / 10);
  }
}

TEST_F(BlobWriterTest, WritesInBoundedPiecesAndTellsItsProgress) {
  BlobWriter writer = Writer();
  ASSERT_TRUE(writer.Append(Bytes(100 * kChunk, 1)));
  ASSERT_TRUE(writer.Finish());
  EXPECT_LE(largest_write_, 64 * size_t{cipher_->sealed_chunk_bytes()});
  EXPECT_EQ(progress_, (std::vector<std::pair<uint64_t, uint64_t>>{
                           {64, kCount}, {128, kCount}, {kCount, kCount}}));
}

}  // namespace
}  // namespace ephemeralml::decompose
