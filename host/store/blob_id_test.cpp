#include "host/store/blob_id.h"

#include <gtest/gtest.h>

#include <string>

namespace ephemeralml::store {
namespace {

constexpr std::string_view kValid = "0123456789abcdef0123456789abcdef";

TEST(BlobId, ReadsItsOneForm) { EXPECT_EQ(BlobId::Parse(kValid).value().text(), kValid); }

TEST(BlobId, RefusesEveryOtherLength) {
  for (size_t length = 0; length < kValid.size(); ++length) {
    EXPECT_EQ(BlobId::Parse(kValid.substr(0, length)).error().reason, "blob_id_malformed");
  }
  EXPECT_FALSE(BlobId::Parse(std::string(kValid) + "0"));
  EXPECT_FALSE(BlobId::Parse(std::string(1 << 20, 'a')));
}

TEST(BlobId, LetsNothingButLowerHexThroughAtAnyPlace) {
  for (size_t place = 0; place < kValid.size(); ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      const bool is_lower_hex = std::string_view("0123456789abcdef").find(c) != std::string::npos;
      std::string text(kValid);
      text[place] = c;
      EXPECT_EQ(BlobId::Parse(text).has_value(), is_lower_hex) << place << ", byte " << byte;
    }
  }
}

}  // namespace
}  // namespace ephemeralml::store
