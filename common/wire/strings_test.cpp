#include "common/wire/strings.h"

#include <gtest/gtest.h>

namespace ephemeralml::wire {
namespace {

const std::vector<std::string_view> kTexts = {"one", "", "three"};

TEST(Strings, ComeBackAsTheyWent) {
  const Bytes bytes = EncodeStrings(kTexts);
  EXPECT_EQ(bytes.size(), *EncodedSize(kTexts));
  EXPECT_EQ(*DecodeStrings(bytes, kTexts.size()), kTexts);
  EXPECT_TRUE(DecodeStrings({}, 0)->empty());
}

TEST(Strings, RefuseAnotherLengthOrCount) {
  Bytes bytes = EncodeStrings(kTexts);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeStrings(ByteSpan(bytes).first(size), kTexts.size()).error().reason,
              "strings_malformed");
  }
  EXPECT_FALSE(DecodeStrings(bytes, kTexts.size() - 1));
  EXPECT_FALSE(DecodeStrings(bytes, SIZE_MAX));
  bytes.push_back(0);
  EXPECT_FALSE(DecodeStrings(bytes, kTexts.size()));
}

TEST(Strings, NeverReachOutsideWhateverBitIsFlipped) {
  const Bytes whole = EncodeStrings(kTexts);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes bytes = whole;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto read = DecodeStrings(bytes, kTexts.size());
    if (!read) continue;
    size_t total = 0;
    for (const std::string_view text : *read) total += text.size();
    EXPECT_EQ(total, 8U);
  }
}

}  // namespace
}  // namespace ephemeralml::wire
