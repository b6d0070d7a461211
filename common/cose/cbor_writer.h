#pragma once
// Writes CBOR (RFC 8949) in its shortest form, by libcbor's encoders. The caller keeps counts
// right.

#include "common/base/bytes.h"

namespace ephemeralml::cose {

class CborWriter {
 public:
  CborWriter& Unsigned(uint64_t value);
  CborWriter& ByteString(ByteSpan contents);
  CborWriter& Text(std::string_view text);
  CborWriter& Array(size_t count);
  CborWriter& Map(size_t count);
  CborWriter& IndefiniteMap();
  CborWriter& Break();
  CborWriter& Null();
  CborWriter& Boolean(bool value);
  CborWriter& Tag(uint64_t tag);

  /// What was written; the writer is empty afterwards.
  Bytes Finish() { return std::move(bytes_); }

 private:
  template <class Encode>
  CborWriter& Append(Encode encode);

  Bytes bytes_;
};

}  // namespace ephemeralml::cose
