#include "common/wire/frame.h"

#include <gtest/gtest.h>

namespace ephemeralml::wire {
namespace {

TEST(PaddedLength, NeverShrinksAndWastesAtMostAnEighth) {
  for (size_t length = 4096; length < (size_t{1} << 24); length += 1 + length / 7) {
    EXPECT_GE(PaddedLength(length), length);
    EXPECT_LE(PaddedLength(length), length + length / 8);
    EXPECT_EQ(PaddedLength(PaddedLength(length)), PaddedLength(length));
  }
}

TEST(PaddedLength, HidesSmallMessagesWhole) {
  EXPECT_EQ(PaddedLength(0), 4096U);
  EXPECT_EQ(PaddedLength(4096), 4096U);
  EXPECT_EQ(PaddedLength(4097), 4352U);
}

TEST(FrameHeader, RoundTrips) {
  const Bytes header = EncodeFrameHeader(5000);
  ASSERT_EQ(header.size(), kFrameHeaderBytes);
  const FrameHeader decoded = DecodeFrameHeader(header, 5000).value();
  EXPECT_EQ(decoded.message_bytes, 5000U);
  EXPECT_EQ(decoded.padded_bytes, PaddedLength(5000));
}

TEST(FrameHeader, RefusesEveryBitFlip) {
  const Bytes header = EncodeFrameHeader(5000);
  for (size_t bit = 0; bit < header.size() * 8; ++bit) {
    Bytes flipped = header;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto decoded = DecodeFrameHeader(flipped, 1 << 20);
    // A flip may name another message of the same bucket; it may never escape the bucket.
    if (decoded) {
      EXPECT_EQ(decoded->padded_bytes, PaddedLength(5000));
    }
  }
}

TEST(FrameHeader, RefusesTruncationAndExcess) {
  const Bytes header = EncodeFrameHeader(1);
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(DecodeFrameHeader(ByteSpan(header).first(size), 10).error().reason,
              "input_truncated");
  }
  EXPECT_EQ(DecodeFrameHeader(EncodeFrameHeader(11), 10).error().reason, "message_too_large");
}

}  // namespace
}  // namespace ephemeralml::wire
