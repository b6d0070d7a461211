#pragma once
// One number of a JSON file, and how it becomes an element of a tensor.

#include <cstdint>
#include <string_view>
#include <variant>

#include "common/base/bytes.h"
#include "common/wire/data_type.h"

namespace ephemeralml::tensors {

/// A number with a fraction or exponent, or "nan", "inf", "-inf". The text is kept because reading
/// it as a double first and rounding that to float would round twice.
struct Real {
  double nearest = 0;
  std::string_view text;
};

using JsonScalar = std::variant<int64_t, uint64_t, Real, bool>;

/// Writes the element into `out`, which has the type's width. Errors: kMalformed
/// `json_type_mismatch`, `json_number_out_of_range`.
Done StoreElement(wire::ElementType type, const JsonScalar& scalar, MutableByteSpan out);

}  // namespace ephemeralml::tensors
