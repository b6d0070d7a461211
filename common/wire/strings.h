#pragma once
// How the elements of a tensor of strings lie in its bytes: for each, where it ends, counted from
// the first one's beginning (8 bytes, little-endian); then all their texts, one after the other.

#include <span>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::wire {

/// The bytes of a tensor with these elements.
Bytes EncodeStrings(std::span<const std::string_view> elements);
/// As above, into memory of EncodedSize bytes.
void EncodeStrings(std::span<const std::string_view> elements, MutableByteSpan bytes);

/// The bytes that EncodeStrings makes. Errors: kOverLimit `size_overflow`.
Result<size_t> EncodedSize(std::span<const std::string_view> elements);

/// The `count` elements, as views into `bytes`. Errors: kMalformed `strings_malformed`.
Result<std::vector<std::string_view>> DecodeStrings(ByteSpan bytes, size_t count);

}  // namespace ephemeralml::wire
