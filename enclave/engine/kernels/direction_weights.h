#pragma once
// What recurrent operators open of their weights: one direction's part, as long as it is needed.

#include <optional>

#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine::kernels {

/// Where one direction's floats of an operand begin; null if the operand is left out. What was
/// sealed is open for as long as this lives.
struct DirectionWeights {
  std::optional<weights::OpenPanel> open;
  const float* values = nullptr;
};

/// One direction's part of an operand [directions, ...] of float32.
/// Errors: kUnauthentic `weights_unauthentic`, kOverLimit `session_memory_exceeded`.
Result<DirectionWeights> OpenDirection(KernelContext& context, size_t input, int64_t direction);

}  // namespace ephemeralml::engine::kernels
