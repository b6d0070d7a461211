#pragma once
// Tensors as JSON, in memory: see tensors.h for the forms. Reading takes foreign bytes: nesting,
// counts and sizes are bounded, and numbers go straight from the text into tensors of their final
// type, without a tree in between.

#include <span>
#include <string_view>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::tensors {

/// Errors: those of ByteCount; kMalformed `json_malformed` (no JSON, or not of these forms),
/// `json_ragged` (lists of unequal lengths side by side), `json_shape_mismatch` (`shape` and `data`
/// differ), `json_type_mismatch` (a fraction in an integer tensor), `json_number_out_of_range`;
/// kOverLimit `tensor_over_limit`.
Result<std::vector<NamedTensor>> DecodeJson(std::string_view text, const TypesByName& untyped);

/// The form with type and shape; numbers in the shortest form that reads back equal.
/// Errors: those of ByteCount.
Result<SecretBytes> EncodeJson(std::span<const NamedTensor> tensors);

}  // namespace ephemeralml::tensors
