#pragma once
// From half precision to float32, for weights that are stored so. Values are exact.

#include "common/base/bytes.h"
#include "common/wire/data_type.h"

namespace ephemeralml::weights {

constexpr bool IsHalf(wire::ElementType type) {
  return type == wire::ElementType::kFloat16 || type == wire::ElementType::kBfloat16;
}

/// Expands all of `halves` into the first bytes of `floats`, which is at least twice as long. Both
/// are aligned to their elements. Zeros, infinities and NaNs stay what they are.
void ExpandHalves(wire::ElementType type, ByteSpan halves, MutableByteSpan floats);

}  // namespace ephemeralml::weights
