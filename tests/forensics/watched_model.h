#pragma once
// MiniLM, and everything of it that must not be found in a worker once its reply has come.

#include "client/tensors/tensors.h"
#include "tests/forensics/secret_blocks.h"
#include "tests/support/system.h"

namespace ephemeralml::forensics {

struct WatchedModel {
  testing_support::SplitModel split;
  std::vector<tensors::NamedTensor> inputs;
  SecretBlocks blocks;
  Bytes packed;  ///< the blob's plaintext, without its padding
  uint64_t weight_blocks = 0;
  uint64_t low_entropy_blocks = 0;

  /// Adds a reply's tensors, and looks the request's inputs up by parts.
  void AddOutputs(const std::vector<tensors::NamedTensor>& outputs);
};

/// Splits the model, its names made unmistakable, and stores its blob on the host. Weights are
/// known as packed, as the model has them and, where 16 bits are stored, as the floats that kernels
/// make of these; activations between layers as a session of their own answers them.
std::unique_ptr<WatchedModel> Watch(const testing_support::System& system,
                                    const decompose::DecomposeOptions& options = {});

}  // namespace ephemeralml::forensics
