#include "common/base/bytes.h"

namespace ephemeralml {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void AppendBigEndian(Bytes& out, uint64_t value, int width) {
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<uint8_t>(value >> shift));
  }
}

}  // namespace

std::string ToHex(ByteSpan bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

Result<Bytes> FromHex(std::string_view text) {
  const Error malformed{Code::kMalformed, "hex_malformed",
                        "expected an even number of hexadecimal digits"};
  if (text.size() % 2 != 0) return malformed;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return malformed;
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

Result<ByteSpan> ByteReader::ReadBytes(size_t count) {
  if (count > rest_.size()) {
    return Error{Code::kMalformed, "input_truncated", "the input ends before its format says"};
  }
  const ByteSpan bytes = rest_.first(count);
  rest_ = rest_.subspan(count);
  return bytes;
}

Result<uint64_t> ByteReader::ReadBigEndian(size_t width) {
  TRY(const ByteSpan bytes, ReadBytes(width));
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

Result<uint8_t> ByteReader::ReadU8() {
  TRY(const uint64_t value, ReadBigEndian(1));
  return static_cast<uint8_t>(value);
}

Result<uint16_t> ByteReader::ReadU16BigEndian() {
  TRY(const uint64_t value, ReadBigEndian(2));
  return static_cast<uint16_t>(value);
}

Result<uint32_t> ByteReader::ReadU32BigEndian() {
  TRY(const uint64_t value, ReadBigEndian(4));
  return static_cast<uint32_t>(value);
}

Result<uint64_t> ByteReader::ReadU64BigEndian() { return ReadBigEndian(8); }

Done ByteReader::ExpectEnd() const {
  if (!rest_.empty()) {
    return Error{Code::kMalformed, "input_trailing_bytes", "bytes follow the input's end"};
  }
  return {};
}

void AppendU16BigEndian(Bytes& out, uint16_t value) { AppendBigEndian(out, value, 2); }
void AppendU32BigEndian(Bytes& out, uint32_t value) { AppendBigEndian(out, value, 4); }
void AppendU64BigEndian(Bytes& out, uint64_t value) { AppendBigEndian(out, value, 8); }
void AppendBytes(Bytes& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace ephemeralml
