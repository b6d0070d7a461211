#include "common/crypto/blob_cipher.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "common/crypto/aes_gcm.h"
#include "common/crypto/blob_cipher_backends.h"
#include "common/crypto/kdf.h"
#include "common/crypto/random.h"

namespace ephemeralml::crypto {
namespace {

using wire::ChunkIndex;

wire::BlobId RandomId() {
  wire::BlobId id;
  FillRandom(id);
  return id;
}

Bytes RandomBytes(size_t size) {
  Bytes bytes(size);
  FillRandom(bytes);
  return bytes;
}

std::unique_ptr<BlobCipher> Make(const SecretBytes& secret, const wire::BlobId& id, uint64_t count,
                                 Backend backend, uint32_t chunk_bytes = wire::kChunkBytes) {
  return BlobCipher::Create(secret, id, count, chunk_bytes, backend).value();
}

Bytes Seal(const BlobCipher& cipher, uint64_t index, ByteSpan plaintext) {
  Bytes sealed(cipher.sealed_chunk_bytes());
  cipher.Seal(ChunkIndex(index), plaintext, sealed);
  return sealed;
}

// What is fetched while a chunk is opened.
enum class Upcoming { kNothing, kLittle, kMuch };

ByteSpan BytesOf(Upcoming upcoming) {
  static const Bytes bytes = RandomBytes(4 * wire::kLargestChunkBytes);
  if (upcoming == Upcoming::kNothing) return {};
  return upcoming == Upcoming::kLittle ? ByteSpan(bytes).subspan(3, 5001) : ByteSpan(bytes);
}

class BlobCipherTest : public testing::TestWithParam<std::tuple<Backend, Upcoming>> {
 protected:
  static Backend backend() { return std::get<Backend>(GetParam()); }
  static ByteSpan upcoming() { return BytesOf(std::get<Upcoming>(GetParam())); }

  const SecretBytes secret_ = RandomSecret(32);
  const wire::BlobId id_ = RandomId();
  const std::unique_ptr<BlobCipher> cipher_ = Make(secret_, id_, 100, backend());
  const Bytes plaintext_ = RandomBytes(wire::kChunkBytes);
  const Bytes sealed_ = Seal(*cipher_, 7, plaintext_);

  Result<Bytes> Open(const BlobCipher& cipher, uint64_t index, ByteSpan sealed) {
    Bytes opened(cipher.chunk_bytes(), 0xAA);
    auto done = cipher.Open(ChunkIndex(index), sealed, opened, upcoming());
    if (done) return opened;
    EXPECT_EQ(opened, Bytes(cipher.chunk_bytes())) << "a refused chunk's plaintext was left";
    return done.error();
  }
  std::string_view Refusal(const BlobCipher& cipher, uint64_t index, ByteSpan sealed) {
    const auto opened = Open(cipher, index, sealed);
    return opened ? "opened" : opened.error().reason;
  }
};

TEST_P(BlobCipherTest, OpensWhatItSealed) {
  EXPECT_EQ(Open(*cipher_, 7, sealed_).value(), plaintext_);
}

// The format as docs/formats/weight_blob.md writes it, put together by hand.
TEST_P(BlobCipherTest, SealsAsTheFormatSays) {
  const SecretBytes key = HkdfSha384(secret_, id_, "EphemeralML weight blob 1", 32);
  Bytes associated = {1};
  AppendBytes(associated, id_);
  AppendU64BigEndian(associated, 7);
  AppendU64BigEndian(associated, 100);
  GcmNonce nonce = {};
  nonce[11] = 7;
  EXPECT_EQ(sealed_, SealAesGcm(key, nonce, associated, plaintext_));
}

TEST_P(BlobCipherTest, RefusesOneFlippedBitAnywhere) {
  Bytes altered = sealed_;
  for (size_t byte = 0; byte < altered.size();
       byte += byte < 64 || byte + 64 > altered.size() ? 1 : 61) {
    const auto bit = static_cast<uint8_t>(1 << byte % 8);
    altered[byte] ^= bit;
    ASSERT_EQ(Refusal(*cipher_, 7, altered), "weights_unauthentic") << byte;
    altered[byte] ^= bit;
  }
}

TEST_P(BlobCipherTest, RefusesChunkMovedToAnotherIndex) {
  EXPECT_EQ(Refusal(*cipher_, 8, sealed_), "weights_unauthentic");
}

TEST_P(BlobCipherTest, RefusesChunkOfAnotherBlobOfTheSameModel) {
  EXPECT_EQ(Refusal(*Make(secret_, RandomId(), 100, backend()), 7, sealed_), "weights_unauthentic");
}

TEST_P(BlobCipherTest, RefusesChunkOfAnotherModel) {
  EXPECT_EQ(Refusal(*Make(RandomSecret(32), id_, 100, backend()), 7, sealed_),
            "weights_unauthentic");
}

TEST_P(BlobCipherTest, RefusesChunkOfALongerBlob) {
  EXPECT_EQ(Refusal(*Make(secret_, id_, 99, backend()), 7, sealed_), "weights_unauthentic");
}

TEST_P(BlobCipherTest, TakesTheLastIndexOfTheLargestBlob) {
  const auto cipher = Make(secret_, id_, wire::kMostChunks, backend());
  const Bytes sealed = Seal(*cipher, wire::kMostChunks - 1, plaintext_);
  EXPECT_EQ(Open(*cipher, wire::kMostChunks - 1, sealed).value(), plaintext_);
}

std::string NameOf(const testing::TestParamInfo<std::tuple<Backend, Upcoming>>& each) {
  const auto [backend, upcoming] = each.param;
  return std::string(backend == Backend::kFastest ? "Fastest" : "OpenSsl") +
         std::array{"", "FetchingLittle", "FetchingMuch"}[static_cast<size_t>(upcoming)];
}

INSTANTIATE_TEST_SUITE_P(Each, BlobCipherTest,
                         testing::Combine(testing::Values(Backend::kFastest, Backend::kOpenSsl),
                                          testing::Values(Upcoming::kNothing, Upcoming::kLittle,
                                                          Upcoming::kMuch)),
                         NameOf);

// A mistake in GHASH can spare one key in two: many keys, many lengths.
TEST(BlobCipher, BothBackendsAgreeForManyKeysAndLengths) {
  std::mt19937 random(20240229);
  size_t compared = 0;
  for (int round = 0; round < 400; ++round) {
    const SecretBytes secret = RandomSecret(32);
    const wire::BlobId id = RandomId();
    const auto chunk_bytes = static_cast<uint32_t>(
        wire::kSmallestChunkBytes +
        random() % (wire::kLargestChunkBytes - wire::kSmallestChunkBytes + 1));
    const uint64_t count = 1 + random() % wire::kMostChunks;
    const uint64_t index = random() % count;
    const auto ipsec = internal::MakeIpsecBlobCipher(
        HkdfSha384(secret, id, "EphemeralML weight blob 1", 32), id, count, chunk_bytes);
    if (ipsec == nullptr) GTEST_SKIP() << "this processor has no use for ipsec-mb";
    const auto openssl = Make(secret, id, count, Backend::kOpenSsl, chunk_bytes);
    const Bytes plaintext = RandomBytes(chunk_bytes);
    const Bytes sealed = Seal(*ipsec, index, plaintext);
    ASSERT_EQ(sealed, Seal(*openssl, index, plaintext)) << "round " << round;
    Bytes opened(chunk_bytes);
    for (const Upcoming upcoming : {Upcoming::kNothing, Upcoming::kLittle, Upcoming::kMuch}) {
      Wipe(opened);
      ASSERT_TRUE(ipsec->Open(ChunkIndex(index), sealed, opened, BytesOf(upcoming)));
      ASSERT_EQ(opened, plaintext);
    }
    ASSERT_TRUE(openssl->Open(ChunkIndex(index), sealed, opened));
    ASSERT_EQ(opened, plaintext);
    ++compared;
  }
  EXPECT_EQ(compared, 400U);
}

TEST(BlobCipher, RefusesParametersOutOfRange) {
  const SecretBytes secret = RandomSecret(32);
  const auto reason = [&](const SecretBytes& key, uint64_t count, uint32_t bytes) {
    const auto cipher = BlobCipher::Create(key, {}, count, bytes);
    return cipher ? std::string_view("created") : cipher.error().reason;
  };
  EXPECT_EQ(reason(secret, 1, wire::kSmallestChunkBytes), "created");
  EXPECT_EQ(reason(secret, 0, wire::kChunkBytes), "blob_malformed");
  EXPECT_EQ(reason(secret, wire::kMostChunks + 1, wire::kChunkBytes), "blob_malformed");
  EXPECT_EQ(reason(secret, 1, wire::kSmallestChunkBytes - 1), "blob_malformed");
  EXPECT_EQ(reason(secret, 1, wire::kLargestChunkBytes + 1), "blob_malformed");
  EXPECT_EQ(reason(RandomSecret(31), 1, wire::kChunkBytes), "blob_malformed");
  EXPECT_EQ(reason(SecretBytes(), 1, wire::kChunkBytes), "blob_malformed");
}

}  // namespace
}  // namespace ephemeralml::crypto
