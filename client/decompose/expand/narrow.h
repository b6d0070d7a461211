#pragma once
// Constants of types that the engine hasn't, as constants of types that it has. Part of Expand.

#include "client/decompose/expand/composer.h"

namespace ephemeralml::decompose {

/// Element `index` of elements of `bits` bits, which divide eight: the lowest of a byte first.
inline uint8_t PackedElement(ByteSpan bytes, size_t index, size_t bits) {
  const size_t each = 8 / bits;
  const auto mask = static_cast<uint8_t>((1U << bits) - 1);
  return static_cast<uint8_t>((bytes[index / each] >> (index % each * bits)) & mask);
}

/// An input that is a constant of four-bit elements, with a byte each; 0 if it is none.
ValueId UnpackedNibbles(Composer& composer, size_t index);
/// An input that is a constant of eight-bit floats, as float16, which holds all their values; 0 if
/// it is none.
ValueId WidenedFloat8(Composer& composer, size_t index);

}  // namespace ephemeralml::decompose
