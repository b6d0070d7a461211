#pragma once
// Walks through JSON text that describes tensors and reports what it meets. It runs twice over the
// same text: once to learn types and shapes, once to fill tensors whose memory exists by then.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/tensors/json_scalar.h"

namespace ephemeralml::tensors {

/// What a JSON file says of one tensor.
struct JsonOutline {
  std::string name;
  std::optional<wire::ElementType> type;      ///< as declared
  std::optional<std::vector<int64_t>> shape;  ///< as declared
  std::vector<int64_t> nesting;               ///< lengths of the nested lists, outermost first
  size_t count = 0;                           ///< numbers
};

/// Called for each number, with its tensor's index.
using OnScalar = std::function<Done(size_t tensor, const JsonScalar& scalar)>;

/// Errors: kMalformed `json_malformed`, `json_ragged`; kOverLimit `tensor_over_limit` (nesting,
/// tensors, names); whatever `on_scalar` returns.
Result<std::vector<JsonOutline>> WalkJson(std::string_view text, const OnScalar& on_scalar);

}  // namespace ephemeralml::tensors
