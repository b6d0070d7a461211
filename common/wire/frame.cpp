#include "common/wire/frame.h"

#include <bit>
#include <string>

namespace ephemeralml::wire {
namespace {
constexpr size_t kSmallestBucketBytes = 4096;
}

size_t Padme(size_t length) {
  CHECK(length >= 2);
  const auto exponent = static_cast<unsigned>(std::bit_width(length) - 1);
  const auto significant_bits = static_cast<unsigned>(std::bit_width(exponent));
  const size_t mask = (size_t{1} << (exponent - significant_bits)) - 1;
  CHECK(length <= SIZE_MAX - mask);
  return (length + mask) & ~mask;
}

size_t PaddedLength(size_t length) {
  return length <= kSmallestBucketBytes ? kSmallestBucketBytes : Padme(length);
}

Bytes EncodeFrameHeader(size_t message_bytes) {
  CHECK(message_bytes <= kLargestMessageBytes);
  Bytes header;
  AppendU32BigEndian(header, static_cast<uint32_t>(PaddedLength(message_bytes)));
  AppendU32BigEndian(header, static_cast<uint32_t>(message_bytes));
  return header;
}

Result<FrameHeader> DecodeFrameHeader(ByteSpan header, size_t limit_bytes) {
  ByteReader reader(header);
  TRY(const size_t padded, reader.ReadU32BigEndian());
  TRY(const size_t message, reader.ReadU32BigEndian());
  TRY_OK(reader.ExpectEnd());
  if (message > limit_bytes) {
    return Error{Code::kOverLimit, "message_too_large",
                 "a message of " + std::to_string(message) + " bytes; at most " +
                     std::to_string(limit_bytes) + " are accepted"};
  }
  if (padded != PaddedLength(message)) {
    return Error{Code::kMalformed, "frame_malformed", "a frame's lengths don't agree"};
  }
  return FrameHeader{padded, message};
}

}  // namespace ephemeralml::wire
