#pragma once
// Views of bytes, hexadecimal, and the one checked reader for binary input. ByteReader's input is
// hostile by assumption: every read says whether there was enough.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace ephemeralml {

using Bytes = std::vector<uint8_t>;
using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

/// The characters of `text` as bytes, without copying.
inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// The bytes as characters, without copying.
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Copies all of `from` to the front of `to`. A bug if it doesn't fit.
inline void CopyBytes(ByteSpan from, MutableByteSpan to) {
  CHECK(from.size() <= to.size());
  // Not std::ranges::copy: in GCC 12's library it goes byte by byte where the source is constant.
  std::copy(from.begin(), from.end(), to.begin());
}

/// Lower-case hexadecimal.
std::string ToHex(ByteSpan bytes);

/// Reads hexadecimal of either case. Errors: kMalformed `hex_malformed` (odd length, other
/// characters).
Result<Bytes> FromHex(std::string_view text);

/// Reads fixed-width numbers and byte strings from the front of a span, never past its end.
/// Errors: kMalformed `input_truncated` from every read that finds too little.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  Result<uint8_t> ReadU8();
  Result<uint16_t> ReadU16BigEndian();
  Result<uint32_t> ReadU32BigEndian();
  Result<uint64_t> ReadU64BigEndian();
  Result<ByteSpan> ReadBytes(size_t count);
  size_t remaining() const { return rest_.size(); }

  /// Errors: kMalformed `input_trailing_bytes` if anything is left.
  Done ExpectEnd() const;

 private:
  Result<uint64_t> ReadBigEndian(size_t width);

  ByteSpan rest_;
};

/// Appends a number to `out`, most significant byte first.
void AppendU16BigEndian(Bytes& out, uint16_t value);
void AppendU32BigEndian(Bytes& out, uint32_t value);
void AppendU64BigEndian(Bytes& out, uint64_t value);
void AppendBytes(Bytes& out, ByteSpan bytes);

}  // namespace ephemeralml
