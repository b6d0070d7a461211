#include "host/proxy/range.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ephemeralml::proxy {
namespace {

std::string_view ReasonOf(std::string_view header, uint64_t size_bytes) {
  const auto range = ParseRange(header, size_bytes);
  return range ? "accepted" : range.error().reason;
}

TEST(Range, ReadsTheThreeForms) {
  EXPECT_EQ(ParseRange("bytes=0-0", 10).value(), (ByteRange{0, 1}));
  EXPECT_EQ(ParseRange("bytes=2-5", 10).value(), (ByteRange{2, 4}));
  EXPECT_EQ(ParseRange("bytes=9-9", 10).value(), (ByteRange{9, 1}));
  EXPECT_EQ(ParseRange("bytes=3-", 10).value(), (ByteRange{3, 7}));
  EXPECT_EQ(ParseRange("bytes=-4", 10).value(), (ByteRange{6, 4}));
  EXPECT_EQ(ParseRange("Bytes= 2-5 ", 10).value(), (ByteRange{2, 4}));
}

TEST(Range, IsCutAtTheBlobsEnd) {
  EXPECT_EQ(ParseRange("bytes=5-10", 10).value(), (ByteRange{5, 5}));
  EXPECT_EQ(ParseRange("bytes=0-99999999999999999999999999", 10).value(), (ByteRange{0, 10}));
  EXPECT_EQ(ParseRange("bytes=-11", 10).value(), (ByteRange{0, 10}));
  EXPECT_EQ(ParseRange("bytes=-18446744073709551616", 10).value(), (ByteRange{0, 10}));
}

TEST(Range, IsUnsatisfiableBeyondTheBlobsEnd) {
  EXPECT_EQ(ReasonOf("bytes=10-", 10), "range_unsatisfiable");
  EXPECT_EQ(ReasonOf("bytes=10-20", 10), "range_unsatisfiable");
  EXPECT_EQ(ReasonOf("bytes=18446744073709551616-", 10), "range_unsatisfiable");
  EXPECT_EQ(ReasonOf("bytes=-0", 10), "range_unsatisfiable");
  EXPECT_EQ(ReasonOf("bytes=0-0", 0), "range_unsatisfiable");
  EXPECT_EQ(ReasonOf("bytes=-1", 0), "range_unsatisfiable");
}

TEST(Range, IsIgnoredInUnknownUnits) {
  EXPECT_EQ(ParseRange("chunks=1-2", 10).value(), std::nullopt);
  EXPECT_EQ(ParseRange("=1-2", 10).value(), std::nullopt);
}

TEST(Range, RefusesSeveralRanges) {
  EXPECT_EQ(ReasonOf("bytes=0-1,3-4", 10), "range_multiple");
  EXPECT_EQ(ReasonOf("bytes=0-1,", 10), "range_multiple");
}

TEST(Range, RefusesWhatIsMalformed) {
  for (const std::string_view header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=1", "bytes=5-4", "bytes=a-b", "bytes=1-b",
        "bytes=+1-2", "bytes=1--2", "bytes=--1", "bytes=0x1-2", "bytes=1 -2", "bytes=1- 2",
        "bytes=1-2 3", "bytes=1-2-3", "bytes==1-2"}) {
    EXPECT_EQ(ReasonOf(header, 10), "range_malformed") << header;
  }
}

TEST(Range, NeverLeavesTheBlobWhateverBitIsFlipped) {
  const std::string valid = "bytes=12-345";
  constexpr uint64_t kSize = 1000;
  for (size_t bit = 0; bit < valid.size() * 8; ++bit) {
    std::string header = valid;
    header[bit / 8] = static_cast<char>(header[bit / 8] ^ (1 << bit % 8));
    const auto range = ParseRange(header, kSize);
    if (!range || !*range) continue;
    EXPECT_GT((*range)->count, 0U) << header;
    EXPECT_LE((*range)->first + (*range)->count, kSize) << header;
  }
}

TEST(Range, NeverLeavesTheBlobWhateverTheHeader) {
  std::mt19937 random(1);
  constexpr std::string_view kAlphabet = "0123456789--==, bytes18446744073709551615";
  for (int round = 0; round < 200'000; ++round) {
    std::string header = random() % 2 == 0 ? "bytes=" : "";
    for (size_t i = random() % 24; i > 0; --i) header += kAlphabet[random() % kAlphabet.size()];
    const uint64_t size = random() % 3 == 0 ? random() % 4 : (uint64_t{random()} << 32) + random();
    const auto range = ParseRange(header, size);
    if (!range || !*range) continue;
    ASSERT_GT((*range)->count, 0U) << header;
    ASSERT_LE((*range)->count, size) << header;
    ASSERT_LE((*range)->first, size - (*range)->count) << header;
  }
}

}  // namespace
}  // namespace ephemeralml::proxy
