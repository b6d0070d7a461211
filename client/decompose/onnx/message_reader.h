#pragma once
// The fields of one Protocol Buffers message, as views: libprotobuf reads the encoding, nothing is
// copied. The bytes are hostile.

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <bit>
#include <climits>
#include <cstring>

#include "common/base/bytes.h"

namespace ephemeralml::onnx {

static_assert(std::endian::native == std::endian::little);

/// Reads a message field by field: Next(), then one of the others for each field.
/// Errors of all: kMalformed `onnx_malformed`.
class MessageReader {
 public:
  using WireFormat = google::protobuf::internal::WireFormatLite;

  explicit MessageReader(ByteSpan message)
      : message_(message), stream_(message.data(), static_cast<int>(message.size())) {
    CHECK(message.size() <= INT_MAX);
  }

  /// False at the message's end.
  Result<bool> Next() {
    tag_ = stream_.ReadTag();
    if (tag_ != 0) return true;
    if (!stream_.ConsumedEntireMessage()) return Malformed();
    return false;
  }
  int field() const { return WireFormat::GetTagFieldNumber(tag_); }

  Result<uint64_t> Varint() {
    uint64_t value = 0;
    if (!Is(WireFormat::WIRETYPE_VARINT) || !stream_.ReadVarint64(&value)) return Malformed();
    return value;
  }
  Result<int64_t> Int() {
    TRY(const uint64_t value, Varint());
    return static_cast<int64_t>(value);
  }
  /// Enumerations and int32 fields: as protobuf does, the low half.
  Result<int32_t> Int32() {
    TRY(const uint64_t value, Varint());
    return static_cast<int32_t>(value);
  }
  Result<uint32_t> Fixed32() {
    uint32_t value = 0;
    if (!Is(WireFormat::WIRETYPE_FIXED32) || !stream_.ReadLittleEndian32(&value)) {
      return Malformed();
    }
    return value;
  }
  Result<uint64_t> Fixed64() {
    uint64_t value = 0;
    if (!Is(WireFormat::WIRETYPE_FIXED64) || !stream_.ReadLittleEndian64(&value)) {
      return Malformed();
    }
    return value;
  }
  Result<ByteSpan> View() {
    uint32_t size = 0;
    if (!Is(WireFormat::WIRETYPE_LENGTH_DELIMITED) || !stream_.ReadVarint32(&size)) {
      return Malformed();
    }
    const auto at = static_cast<size_t>(stream_.CurrentPosition());
    if (size > message_.size() - at || !stream_.Skip(static_cast<int>(size))) return Malformed();
    return message_.subspan(at, size);
  }
  Result<std::string_view> Text() {
    TRY(const ByteSpan bytes, View());
    return AsText(bytes);
  }
  Done Skip() {
    if (!WireFormat::SkipField(&stream_, tag_)) return Malformed();
    return {};
  }

  /// Calls `take(uint64_t)`, which returns Done, for each number of a repeated varint field's
  /// entry.
  template <class Take>
  Done Varints(Take&& take) {
    if (!IsPacked()) {
      TRY(const uint64_t value, Varint());
      return take(value);
    }
    TRY(const ByteSpan packed, View());
    google::protobuf::io::CodedInputStream values(packed.data(), static_cast<int>(packed.size()));
    while (static_cast<size_t>(values.CurrentPosition()) < packed.size()) {
      uint64_t value = 0;
      if (!values.ReadVarint64(&value)) return Malformed();
      TRY_OK(take(value));
    }
    return {};
  }

  /// As Varints, for a repeated field of 32 or 64 fixed bits: `take(uint32_t)`, `take(uint64_t)`.
  template <class Take>
  Done Fixed32s(Take&& take) {
    return Fixeds<uint32_t>(&MessageReader::Fixed32, take);
  }
  template <class Take>
  Done Fixed64s(Take&& take) {
    return Fixeds<uint64_t>(&MessageReader::Fixed64, take);
  }

  static Error Malformed() {
    return {Code::kMalformed, "onnx_malformed",
            "this is not an ONNX model, or the file is damaged: its Protocol Buffers encoding is "
            "broken"};
  }

 private:
  template <class Number, class Take>
  Done Fixeds(Result<Number> (MessageReader::*read_one)(), Take& take) {
    if (!IsPacked()) {
      TRY(const Number value, (this->*read_one)());
      return take(value);
    }
    TRY(const ByteSpan packed, View());
    if (packed.size() % sizeof(Number) != 0) return Malformed();
    for (size_t at = 0; at < packed.size(); at += sizeof(Number)) {
      Number value = 0;
      std::memcpy(&value, packed.data() + at, sizeof(Number));
      TRY_OK(take(value));
    }
    return {};
  }

  // A repeated field of numbers comes as one run of bytes or number by number; readers take both.
  bool IsPacked() const { return Is(WireFormat::WIRETYPE_LENGTH_DELIMITED); }
  bool Is(WireFormat::WireType type) const { return WireFormat::GetTagWireType(tag_) == type; }

  ByteSpan message_;
  google::protobuf::io::CodedInputStream stream_;
  uint32_t tag_ = 0;
};

/// Calls `take(MessageReader&)`, which returns Done, for each field; it reads or skips the field.
template <class Take>
Done ForEachField(ByteSpan message, Take&& take) {
  MessageReader reader(message);
  while (true) {
    TRY(const bool more, reader.Next());
    if (!more) return {};
    TRY_OK(take(reader));
  }
}

/// Assigns a field's value, if it could be read.
template <class T, class U>
Done Set(T& target, Result<U> value) {
  if (!value) return value.error();
  target = *std::move(value);
  return {};
}

}  // namespace ephemeralml::onnx
