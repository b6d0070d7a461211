#pragma once
// Compares what a client sent with what the model takes. Part of Execute.

#include <span>
#include <vector>

#include "enclave/engine/execute.h"

namespace ephemeralml::engine {

/// For each of the model's inputs what was given for it.
/// Errors: kInvalidArgument `input_mismatch`.
Result<std::vector<const NamedView*>> MatchInputs(const std::vector<PreparedValue>& expected,
                                                  std::span<const NamedView> given);

}  // namespace ephemeralml::engine
