#include "common/cose/cbor_writer.h"

#include <cbor/encoding.h>

#include <array>

namespace ephemeralml::cose {
namespace {
constexpr size_t kLongestHead = 9;
}

template <class Encode>
CborWriter& CborWriter::Append(Encode encode) {
  std::array<uint8_t, kLongestHead> head;
  const size_t length = encode(head.data(), head.size());
  CHECK(length > 0);
  AppendBytes(bytes_, ByteSpan(head).first(length));
  return *this;
}

CborWriter& CborWriter::Unsigned(uint64_t value) {
  return Append([value](uint8_t* out, size_t size) { return cbor_encode_uint(value, out, size); });
}

CborWriter& CborWriter::ByteString(ByteSpan contents) {
  Append([&](uint8_t* out, size_t size) {
    return cbor_encode_bytestring_start(contents.size(), out, size);
  });
  AppendBytes(bytes_, contents);
  return *this;
}

CborWriter& CborWriter::Text(std::string_view text) {
  Append(
      [&](uint8_t* out, size_t size) { return cbor_encode_string_start(text.size(), out, size); });
  AppendBytes(bytes_, AsBytes(text));
  return *this;
}

CborWriter& CborWriter::Array(size_t count) {
  return Append(
      [count](uint8_t* out, size_t size) { return cbor_encode_array_start(count, out, size); });
}

CborWriter& CborWriter::Map(size_t count) {
  return Append(
      [count](uint8_t* out, size_t size) { return cbor_encode_map_start(count, out, size); });
}

CborWriter& CborWriter::IndefiniteMap() { return Append(&cbor_encode_indef_map_start); }

CborWriter& CborWriter::Break() { return Append(&cbor_encode_break); }

CborWriter& CborWriter::Null() { return Append(&cbor_encode_null); }

CborWriter& CborWriter::Boolean(bool value) {
  return Append([value](uint8_t* out, size_t size) { return cbor_encode_bool(value, out, size); });
}

CborWriter& CborWriter::Tag(uint64_t tag) {
  return Append([tag](uint8_t* out, size_t size) { return cbor_encode_tag(tag, out, size); });
}

}  // namespace ephemeralml::cose
