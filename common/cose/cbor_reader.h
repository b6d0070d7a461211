#pragma once
// A pull reader for CBOR (RFC 8949) over libcbor's streaming decoder. Its input is hostile:
// evidence from the network. It allocates nothing, keeps no stack, and the caller's own code is the
// grammar: whatever that doesn't ask for is refused. Views point into the input.

#include <optional>

#include "common/base/bytes.h"

namespace ephemeralml::cose {

/// How many items of an array, or entries of a map, are still to come. Made by CborReader alone.
class CborContainer {
 private:
  friend class CborReader;
  explicit CborContainer(std::optional<uint64_t> left) : left_(left) {}

  std::optional<uint64_t> left_;  // empty: of indefinite length, ended by a break
};

/// Errors of every read: kMalformed `cbor_malformed` (not CBOR, truncated, or a length or number in
/// a longer encoding than it needs) and `cbor_type_unexpected` (another type than was asked for).
/// Source: RFC 8949 §3 and §4.2.1; strings of indefinite length, floats and simple values other
/// than null are refused.
class CborReader {
 public:
  explicit CborReader(ByteSpan bytes) : rest_(bytes) {}

  Result<uint64_t> ReadUnsigned();
  Result<bool> ReadBoolean();
  Result<ByteSpan> ReadByteString();
  /// As ReadByteString; empty for null.
  Result<std::optional<ByteSpan>> ReadByteStringOrNull();
  Result<std::string_view> ReadText();
  /// The number of items, which must be given: an array of indefinite length is refused.
  Result<uint64_t> ReadDefiniteArray();
  /// An array or map, its length given or not. Follow with HasNext() before every item or entry.
  Result<CborContainer> ReadArray();
  Result<CborContainer> ReadMap();
  /// True if another item or entry follows; takes the break that ends an indefinite length.
  Result<bool> HasNext(CborContainer& container);
  /// Takes a tag below 24 if it comes next; anything else stays.
  bool TakeTag(uint8_t tag);

  /// Errors: kMalformed `cbor_malformed` if anything is left.
  Done ExpectEnd() const;

 private:
  struct Item;
  Result<Item> Peek() const;
  void Take(const Item& item);

  ByteSpan rest_;
};

}  // namespace ephemeralml::cose
