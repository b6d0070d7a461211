#include "host/proxy/target.h"

#include <gtest/gtest.h>

#include <string>

namespace ephemeralml::proxy {
namespace {

using Kind = Target::Kind;

TEST(Target, NamesWhatTheApiHas) {
  EXPECT_EQ(ParseTarget("/healthz").kind, Kind::kHealth);
  EXPECT_EQ(ParseTarget("/readyz").kind, Kind::kReady);
  EXPECT_EQ(ParseTarget("/v1/blobs/abc").kind, Kind::kBlob);
  EXPECT_EQ(ParseTarget("/v1/blobs/abc").blob_id, "abc");
}

TEST(Target, MayBeAbsolute) {
  EXPECT_EQ(ParseTarget("http://host:8081/healthz").kind, Kind::kHealth);
  EXPECT_EQ(ParseTarget("http://host/v1/blobs/abc").blob_id, "abc");
  EXPECT_EQ(ParseTarget("http://host").kind, Kind::kNothing);
  EXPECT_EQ(ParseTarget("http://").kind, Kind::kNothing);
}

TEST(Target, NamesNothingElse) {
  for (const std::string_view text :
       {"", "/", "*", "healthz", "/healthz/", "/healthz?x", "/HEALTHZ", "//healthz", "/v1/blobs",
        "/v1/blob/abc", "/v1//blobs/abc", "/v1/../v1/blobs/abc", "ftp://host/healthz"}) {
    EXPECT_EQ(ParseTarget(text).kind, Kind::kNothing) << text;
  }
}

TEST(Target, TakesNoFlippedBitForItself) {
  for (const std::string valid : {"/healthz", "/readyz", "/v1/blobs/"}) {
    for (size_t bit = 0; bit < valid.size() * 8; ++bit) {
      std::string text = valid;
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
      EXPECT_EQ(ParseTarget(text).kind, Kind::kNothing) << text;
    }
  }
}

}  // namespace
}  // namespace ephemeralml::proxy
