#include "common/cose/cbor_reader.h"

#include <cbor/streaming.h>

#include <string>

namespace ephemeralml::cose {
namespace {

enum class Type {
  kNone,
  kUnsigned,
  kBoolean,
  kByteString,
  kText,
  kArray,
  kIndefiniteArray,
  kMap,
  kIndefiniteMap,
  kNull,
  kBreak,
  kRefused,  // well-formed, but nothing that we read holds it
};

struct Event {
  Type type = Type::kNone;
  uint64_t number = 0;  // value, length, count or tag
  ByteSpan contents;    // of a string
};

Event& AsEvent(void* context) { return *static_cast<Event*>(context); }

template <class Number>
void OnUnsigned(void* context, Number value) {
  AsEvent(context) = {Type::kUnsigned, value, {}};
}

void OnBoolean(void* context, bool value) {
  AsEvent(context) = {Type::kBoolean, value ? 1U : 0U, {}};
}

template <class Number>
void OnRefusedNumber(void* context, Number) {
  AsEvent(context).type = Type::kRefused;
}

template <Type kType>
void OnSimple(void* context) {
  AsEvent(context).type = kType;
}

template <Type kType, class Number>
void OnNumber(void* context, Number number) {
  AsEvent(context) = {kType, number, {}};
}

template <Type kType, class Number>
void OnString(void* context, cbor_data data, Number length) {
  AsEvent(context) = {kType, length, {data, length}};
}

cbor_callbacks MakeCallbacks() {
  cbor_callbacks callbacks = {};
  callbacks.uint8 = &OnUnsigned;
  callbacks.uint16 = &OnUnsigned;
  callbacks.uint32 = &OnUnsigned;
  callbacks.uint64 = &OnUnsigned;
  callbacks.negint8 = &OnRefusedNumber;
  callbacks.negint16 = &OnRefusedNumber;
  callbacks.negint32 = &OnRefusedNumber;
  callbacks.negint64 = &OnRefusedNumber;
  callbacks.byte_string_start = &OnSimple<Type::kRefused>;
  callbacks.byte_string = &OnString<Type::kByteString>;
  callbacks.string = &OnString<Type::kText>;
  callbacks.string_start = &OnSimple<Type::kRefused>;
  callbacks.indef_array_start = &OnSimple<Type::kIndefiniteArray>;
  callbacks.array_start = &OnNumber<Type::kArray>;
  callbacks.indef_map_start = &OnSimple<Type::kIndefiniteMap>;
  callbacks.map_start = &OnNumber<Type::kMap>;
  callbacks.tag = &OnRefusedNumber;
  callbacks.float2 = &OnRefusedNumber;
  callbacks.float4 = &OnRefusedNumber;
  callbacks.float8 = &OnRefusedNumber;
  callbacks.undefined = &OnSimple<Type::kRefused>;
  callbacks.null = &OnSimple<Type::kNull>;
  callbacks.boolean = &OnBoolean;
  callbacks.indef_break = &OnSimple<Type::kBreak>;
  return callbacks;
}

// RFC 8949 §4.2.1: the shortest head that can carry `number`.
size_t ShortestHead(uint64_t number) {
  if (number < 24) return 1;
  if (number <= UINT8_MAX) return 2;
  if (number <= UINT16_MAX) return 3;
  if (number <= UINT32_MAX) return 5;
  return 9;
}

Error Malformed(std::string what) { return {Code::kMalformed, "cbor_malformed", std::move(what)}; }

Error Unexpected(std::string_view wanted) {
  return {Code::kMalformed, "cbor_type_unexpected",
          "the CBOR item isn't " + std::string(wanted) + ", which must stand here"};
}

}  // namespace

struct CborReader::Item : Event {
  size_t encoded_bytes = 0;
};

Result<CborReader::Item> CborReader::Peek() const {
  static const cbor_callbacks callbacks = MakeCallbacks();
  Item item;
  const cbor_decoder_result decoded =
      cbor_stream_decode(rest_.data(), rest_.size(), &callbacks, static_cast<Event*>(&item));
  if (decoded.status == CBOR_DECODER_NEDATA) return Malformed("the CBOR ends within an item");
  if (decoded.status != CBOR_DECODER_FINISHED || item.type == Type::kNone) {
    return Malformed("a byte that begins no CBOR item");
  }
  item.encoded_bytes = decoded.read;
  // An indefinite container, null, a boolean and a break have a head of one byte.
  if (item.type != Type::kRefused &&
      decoded.read != ShortestHead(item.number) + item.contents.size()) {
    return Malformed("a CBOR length or number isn't in its shortest form");
  }
  return item;
}

void CborReader::Take(const Item& item) { rest_ = rest_.subspan(item.encoded_bytes); }

Result<uint64_t> CborReader::ReadUnsigned() {
  TRY(const Item item, Peek());
  if (item.type != Type::kUnsigned) return Unexpected("an unsigned integer");
  Take(item);
  return item.number;
}

Result<bool> CborReader::ReadBoolean() {
  TRY(const Item item, Peek());
  if (item.type != Type::kBoolean) return Unexpected("true or false");
  Take(item);
  return item.number == 1;
}

Result<ByteSpan> CborReader::ReadByteString() {
  TRY(const Item item, Peek());
  if (item.type != Type::kByteString) return Unexpected("a byte string of definite length");
  Take(item);
  return item.contents;
}

Result<std::optional<ByteSpan>> CborReader::ReadByteStringOrNull() {
  TRY(const Item item, Peek());
  if (item.type == Type::kNull) {
    Take(item);
    return std::optional<ByteSpan>();
  }
  TRY(const ByteSpan contents, ReadByteString());
  return std::optional<ByteSpan>(contents);
}

Result<std::string_view> CborReader::ReadText() {
  TRY(const Item item, Peek());
  if (item.type != Type::kText) return Unexpected("a text string of definite length");
  Take(item);
  return AsText(item.contents);
}

Result<uint64_t> CborReader::ReadDefiniteArray() {
  TRY(const Item item, Peek());
  if (item.type != Type::kArray) return Unexpected("an array of definite length");
  Take(item);
  return item.number;
}

Result<CborContainer> CborReader::ReadArray() {
  TRY(const Item item, Peek());
  if (item.type != Type::kArray && item.type != Type::kIndefiniteArray) {
    return Unexpected("an array");
  }
  Take(item);
  if (item.type == Type::kIndefiniteArray) return CborContainer(std::nullopt);
  return CborContainer(item.number);
}

Result<CborContainer> CborReader::ReadMap() {
  TRY(const Item item, Peek());
  if (item.type != Type::kMap && item.type != Type::kIndefiniteMap) return Unexpected("a map");
  Take(item);
  if (item.type == Type::kIndefiniteMap) return CborContainer(std::nullopt);
  return CborContainer(item.number);
}

Result<bool> CborReader::HasNext(CborContainer& container) {
  if (container.left_.has_value()) {
    if (*container.left_ == 0) return false;
    --*container.left_;
    return true;
  }
  TRY(const Item item, Peek());
  if (item.type != Type::kBreak) return true;
  Take(item);
  return false;
}

// Seen: libcbor 0.8's decoder refuses tags 6 to 20 as unassigned. One below 24 has one shortest
// head.
bool CborReader::TakeTag(uint8_t tag) {
  CHECK(tag < 24);
  if (rest_.empty() || rest_.front() != (0xc0 | tag)) return false;
  rest_ = rest_.subspan(1);
  return true;
}

Done CborReader::ExpectEnd() const {
  if (!rest_.empty()) {
    return Malformed(std::to_string(rest_.size()) + " bytes follow the CBOR item");
  }
  return {};
}

}  // namespace ephemeralml::cose
