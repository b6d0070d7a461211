#pragma once
// The Range header, as hostile as every header. One range of bytes is served; RFC 9110 §14.2 lets a
// server refuse the rest, and ignore units that it doesn't know.

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/result.h"

namespace ephemeralml::proxy {

/// Bytes from `first` on, `count` of them; never empty.
struct ByteRange {
  uint64_t first = 0;
  uint64_t count = 0;

  bool operator==(const ByteRange&) const = default;
};

/// What `header` asks of a blob of `size_bytes`, cut to what the blob has; nothing if its unit
/// isn't bytes, which means the whole blob. Errors: kMalformed `range_malformed`; kUnsupported
/// `range_multiple`; kInvalidArgument `range_unsatisfiable` (it begins beyond the end, or asks for
/// the last 0 bytes). Source: RFC 9110 §14.1.
Result<std::optional<ByteRange>> ParseRange(std::string_view header, uint64_t size_bytes);

}  // namespace ephemeralml::proxy
