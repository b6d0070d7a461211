#include "common/crypto/kdf.h"

#include <gtest/gtest.h>

#include <numeric>

namespace ephemeralml::crypto {
namespace {

std::string Hex(const SecretBytes& secret) { return ToHex(secret.Reveal()); }

SecretBytes Counting() {
  SecretBytes secret(32);
  std::iota(secret.Fill().begin(), secret.Fill().end(), uint8_t{0});
  return secret;
}

// Expected values: RFC 5869 written out over another library's HMAC.
TEST(HkdfSha384, AgreesWithAnIndependentImplementation) {
  Bytes salt(16);
  std::iota(salt.begin(), salt.end(), uint8_t{100});
  EXPECT_EQ(
      Hex(HkdfSha384(Counting(), salt, "a use", 70)),
      "0898e81e7ca43729e41ae1e9d8de2ff98acf84036a292c190147943661cbb1687a23719f746464969013037b28"
      "a24778686914c3f6f6aad33f98a122304f34659646830b805d");
  EXPECT_EQ(Hex(HkdfSha384(Counting(), {}, "", 32)),
            "b99d268d378ee1d239e9abb2ad84714bd2c874ce0c1f4ef1f20946a6e94d22af");
}

TEST(HkdfSha384, GivesEachUseAnotherKey) {
  EXPECT_NE(Hex(HkdfSha384(Counting(), {}, "one", 32)), Hex(HkdfSha384(Counting(), {}, "two", 32)));
}

TEST(Scrypt, AgreesWithRfc7914) {
  const auto password = SecretBytes::CopyOf(AsBytes("password"));
  EXPECT_EQ(
      Hex(Scrypt(password, AsBytes("NaCl"), {.log2_n = 10, .r = 8, .p = 16}, 64).value()),
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d"
      "9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

TEST(Scrypt, TakesTheDefaultCost) {
  const auto password = SecretBytes::CopyOf(AsBytes("password"));
  EXPECT_TRUE(Scrypt(password, AsBytes("salt"), {}, 32).has_value());
}

TEST(Scrypt, SaysSoWhenTheCostIsBeyondMeasure) {
#ifdef EPHEMERAL_SANITIZED
  GTEST_SKIP() << "the sanitizer's allocator ends the process instead";
#endif
  const auto password = SecretBytes::CopyOf(AsBytes("password"));
  EXPECT_EQ(Scrypt(password, {}, {.log2_n = 31, .r = 255, .p = 255}, 32).error().reason,
            "memory_unavailable");
}

}  // namespace
}  // namespace ephemeralml::crypto
