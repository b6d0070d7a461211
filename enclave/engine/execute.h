#pragma once
// Runs a prepared model once: kernel after kernel in the graph's order, activations released after
// their last use. All that a run makes lies in the request's arena and is wiped on every way out,
// but for the outputs, which are the caller's to drop.

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "enclave/engine/base/node_context.h"
#include "enclave/engine/prepare.h"

namespace ephemeralml::engine {

struct NamedView {
  std::string_view name;
  TensorView tensor;
  ValueKind kind = ValueKind::kTensor;
  std::vector<TensorView> elements = {};  ///< of a sequence
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct Limits {
  /// Nodes run in one request, each as often as it runs: bounds what loops may do.
  uint64_t most_steps = 100'000'000;
  /// When the request must have ended: looked at before every step.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

/// Computes the model's outputs, in the graph's order. The inputs, in any order, are copied, and
/// then `copied` is called, if it is given: from there on what they view may go. Errors:
/// kInvalidArgument `input_mismatch` (says which input, what was expected, what was given),
/// kUnauthentic `weights_unauthentic`, kOverLimit `session_memory_exceeded`, `step_limit_exceeded`,
/// `time_limit_exceeded`, and the kernels' own, with the node that they come from.
Result<std::vector<NamedTensor>> Execute(const PreparedModel& model,
                                         std::span<const NamedView> inputs,
                                         const weights::SealedModel& sealed, Arena& arena,
                                         Threads& threads, weights::Ledger& ledger,
                                         const Limits& limits = {},
                                         const std::function<void()>& copied = {});

}  // namespace ephemeralml::engine
