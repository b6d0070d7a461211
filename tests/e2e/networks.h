#pragma once
// Networks as exporters write them, small and with seeded weights: what preparation is made for.

#include "client/decompose/testing/models.h"
#include "client/tensors/tensors.h"

namespace ephemeralml {

struct Network {
  Bytes onnx;
  std::vector<tensors::NamedTensor> inputs;
};

/// Two layers of a transformer encoder over 2 x 5 tokens, with a mask; layer normalization, Gelu
/// and attention are spelled out.
Network Encoder();

/// The encoder in both branches of an If, as decoders are exported that may have a past; where
/// `which` is false, what it answers is negated. The branches share their weights.
Network Branches(bool which);

/// A residual network with normalization, depthwise convolutions, gates, pools, hard activations in
/// their spelled-out forms, a Resize and a Gemm. Channels that don't fill their blocks.
Network ImageClassifier();

}  // namespace ephemeralml
