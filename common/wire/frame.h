#pragma once
// Frames: how messages lie in the attested channel. A frame is its body's padded length (4 bytes,
// big-endian), the message's own length (4 bytes, big-endian), the message and zeros up to the
// padded length. Padded lengths are few, so that sizes on the wire say little: see PaddedLength.
// Layout and buckets: docs/formats/channel.md.

#include "common/base/bytes.h"

namespace ephemeralml::wire {

inline constexpr size_t kFrameHeaderBytes = 8;
/// The largest message that either end accepts unless it sets a lower limit.
inline constexpr size_t kLargestMessageBytes = size_t{256} << 20;

/// Padmé's bucket for a length of at least 2: it keeps no more significant bits than the number of
/// bits that its own bit length takes, so it grows by at most 12 %. Source: Nikitin et al.,
/// "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs 2019,
/// section 4.
size_t Padme(size_t length);

/// The bucket for `length` bytes: at least 4 KiB, then Padmé's.
size_t PaddedLength(size_t length);

struct FrameHeader {
  size_t padded_bytes = 0;
  size_t message_bytes = 0;
};

/// The header for a message of `message_bytes`.
Bytes EncodeFrameHeader(size_t message_bytes);

/// Reads a peer's header. Errors: kMalformed `frame_malformed` (the padded length isn't the
/// message's bucket), kOverLimit `message_too_large`.
Result<FrameHeader> DecodeFrameHeader(ByteSpan header, size_t limit_bytes);

}  // namespace ephemeralml::wire
