#include "common/crypto/sha384.h"

#include <gtest/gtest.h>

namespace ephemeralml::crypto {
namespace {

TEST(Sha384, AgreesWithThePublishedDigests) {
  EXPECT_EQ(
      ToHex(Sha384::Of({})),
      "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f148"
      "98b95b");
  EXPECT_EQ(
      ToHex(Sha384::Of(AsBytes("abc"))),
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134"
      "c825a7");
}

TEST(Sha384, DoesNotCareHowTheBytesAreCut) {
  Bytes bytes(1000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7);
  for (const size_t cut : {0U, 1U, 127U, 128U, 129U, 1000U}) {
    Sha384 hash;
    hash.Update(ByteSpan(bytes).first(cut));
    hash.Update(ByteSpan(bytes).subspan(cut));
    EXPECT_EQ(hash.Finish(), Sha384::Of(bytes));
  }
}

}  // namespace
}  // namespace ephemeralml::crypto
