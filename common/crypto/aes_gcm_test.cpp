#include "common/crypto/aes_gcm.h"

#include <gtest/gtest.h>

#include "common/crypto/random.h"

namespace ephemeralml::crypto {
namespace {

TEST(AesGcm, AgreesWithThePublishedVector) {
  const SecretBytes key(32);
  const Bytes sealed = SealAesGcm(key, {}, {}, Bytes(16));
  EXPECT_EQ(ToHex(sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(AesGcm, OpensWhatItSealed) {
  const SecretBytes key = RandomSecret(32);
  for (const size_t size : {0U, 1U, 15U, 16U, 17U, 1000U}) {
    const SecretBytes plaintext = RandomSecret(size);
    const Bytes sealed = SealAesGcm(key, {}, AsBytes("context"), plaintext.Reveal());
    ASSERT_EQ(sealed.size(), size + kGcmTagBytes);
    const SecretBytes opened = OpenAesGcm(key, {}, AsBytes("context"), sealed).value();
    EXPECT_TRUE(std::ranges::equal(opened.Reveal(), plaintext.Reveal()));
  }
}

TEST(AesGcm, RefusesEveryBitFlip) {
  const SecretBytes key = RandomSecret(32);
  Bytes sealed = SealAesGcm(key, {}, {}, Bytes(40));
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    sealed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_EQ(OpenAesGcm(key, {}, {}, sealed).error().code, Code::kUnauthentic);
    sealed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
}

TEST(AesGcm, RefusesTruncationExcessAndAnotherContext) {
  const SecretBytes key = RandomSecret(32);
  Bytes sealed = SealAesGcm(key, {}, AsBytes("one"), Bytes(40));
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(OpenAesGcm(key, {}, AsBytes("one"), ByteSpan(sealed).first(size)));
  }
  EXPECT_FALSE(OpenAesGcm(key, {}, AsBytes("two"), sealed));
  EXPECT_FALSE(OpenAesGcm(RandomSecret(32), {}, AsBytes("one"), sealed));
  GcmNonce other_nonce = {};
  other_nonce[0] = 1;
  EXPECT_FALSE(OpenAesGcm(key, other_nonce, AsBytes("one"), sealed));
  sealed.push_back(0);
  EXPECT_FALSE(OpenAesGcm(key, {}, AsBytes("one"), sealed));
}

}  // namespace
}  // namespace ephemeralml::crypto
