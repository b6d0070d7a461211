#pragma once
// Small random models that ONNX calls valid, with inputs and what must come out: each node's
// meaning is worked out by plain loops while the node is added.

#include <set>
#include <string>

#include "client/decompose/testing/models.h"
#include "client/tensors/tensors.h"
#include "tests/properties/arithmetic.h"

namespace ephemeralml::properties {

/// What a model is made from: the same numbers make the same model.
struct Recipe {
  uint64_t seed = 0;
  size_t nodes = 1;
  int64_t hidden = 0;  ///< if set, a hidden layer of that many columns comes first
};

struct RandomModel {
  Bytes onnx;
  std::vector<tensors::NamedTensor> inputs;
  std::vector<tensors::NamedTensor> expected;
  // What nobody but the client may see.
  std::vector<Bytes> weights;            ///< the bytes of each float initializer or Constant
  std::vector<std::string> inner_names;  ///< of nodes and of values that are no input or output
  std::vector<std::vector<int64_t>> weight_shapes;
  std::set<std::string> operators;
};

RandomModel MakeRandomModel(const Recipe& recipe);

/// Any recipe of up to `most_nodes` nodes. Only inside a property.
Recipe ArbitraryRecipe(size_t most_nodes);

/// The largest |ours - expected| / (1e-4 + 1e-4 |expected|) over all outputs; infinite if outputs
/// are missing or have another type or shape.
double Disagreement(std::span<const tensors::NamedTensor> ours,
                    std::span<const tensors::NamedTensor> expected);

}  // namespace ephemeralml::properties
