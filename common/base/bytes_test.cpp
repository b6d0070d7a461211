#include "common/base/bytes.h"

#include <gtest/gtest.h>

namespace ephemeralml {
namespace {

TEST(CopyBytes, LeavesWhatLiesBehind) {
  Bytes to = {1, 2, 3};
  CopyBytes(Bytes{8, 9}, to);
  EXPECT_EQ(to, (Bytes{8, 9, 3}));
  CopyBytes({}, {});
}

TEST(CopyBytesDeathTest, EndsTheProcessIfThereIsNoRoom) {
  Bytes to(2);
  EXPECT_DEATH(CopyBytes(Bytes(3), to), "size");
}

TEST(Hex, RoundTrips) {
  const Bytes bytes = {0x00, 0x7f, 0x80, 0xff};
  EXPECT_EQ(ToHex(bytes), "007f80ff");
  EXPECT_EQ(FromHex("007F80ff").value(), bytes);
}

TEST(Hex, RefusesOddLengthsAndOtherCharacters) {
  EXPECT_EQ(FromHex("abc").error().reason, "hex_malformed");
  EXPECT_EQ(FromHex("0g").error().reason, "hex_malformed");
}

TEST(ByteReader, ReadsWhatWasAppended) {
  Bytes bytes;
  AppendU16BigEndian(bytes, 0x1234);
  AppendU32BigEndian(bytes, 0x56789abc);
  AppendU64BigEndian(bytes, 0x0123456789abcdef);
  AppendBytes(bytes, Bytes{9});
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadU16BigEndian().value(), 0x1234);
  EXPECT_EQ(reader.ReadU32BigEndian().value(), 0x56789abcU);
  EXPECT_EQ(reader.ReadU64BigEndian().value(), 0x0123456789abcdefU);
  EXPECT_EQ(reader.ReadU8().value(), 9);
  EXPECT_TRUE(reader.ExpectEnd().has_value());
}

TEST(ByteReader, RefusesEveryReadPastTheEnd) {
  const Bytes bytes = {1, 2, 3};
  EXPECT_EQ(ByteReader(bytes).ReadU32BigEndian().error().reason, "input_truncated");
  EXPECT_EQ(ByteReader(bytes).ReadU64BigEndian().error().reason, "input_truncated");
  EXPECT_EQ(ByteReader(bytes).ReadBytes(4).error().reason, "input_truncated");
  EXPECT_EQ(ByteReader(bytes).ReadBytes(SIZE_MAX).error().reason, "input_truncated");
}

TEST(ByteReader, ReportsTrailingBytes) {
  const Bytes bytes = {1};
  EXPECT_EQ(ByteReader(bytes).ExpectEnd().error().reason, "input_trailing_bytes");
}

}  // namespace
}  // namespace ephemeralml
