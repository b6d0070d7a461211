#pragma once
// From a topology to something that runs: kernels made, values numbered densely, and for every node
// the values that nobody needs after it. The topology is hostile. Called once per request, or once
// per session where the client lets the plan stay.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "enclave/engine/base/kernel.h"
#include "enclave/weights/sealed_model.h"

namespace ephemeralml::wire {
class Topology;
}

namespace ephemeralml::engine {

/// Graphs within graphs, the model's own included.
inline constexpr size_t kDeepestNesting = 32;
/// Nodes of all graphs together.
inline constexpr size_t kMostNodes = 1'000'000;

/// A value's place among all values of a model, subgraphs included.
using Slot = uint32_t;
inline constexpr Slot kNoSlot = UINT32_MAX;  ///< an operand that is left out

struct Dimension {
  int64_t size = -1;   ///< -1: any
  std::string symbol;  ///< equal symbols are equal sizes; empty: none
};

/// An input or output of a graph. Those of subgraphs have no names.
struct PreparedValue {
  Slot slot = kNoSlot;
  std::string name;
  ElementType type = ElementType::kUndefined;
  std::optional<std::vector<Dimension>> shape;  ///< none: of any rank
  bool is_sequence = false;                     ///< of tensors of that type
  bool is_optional = false;                     ///< may be nothing
};

struct PreparedNode {
  std::string op;  ///< for errors, which go to the model's owner alone
  std::unique_ptr<Kernel> kernel;
  std::vector<Slot> inputs;
  std::vector<Slot> outputs;
  std::vector<bool> wants_output;
  std::vector<Slot> releases;  ///< activations that are gone after this node
  Slot next_packed = kNoSlot;  ///< the packed weight that a later node of the graph takes next
};

struct PreparedGraph {
  std::vector<PreparedNode> nodes;
  std::vector<PreparedValue> inputs;
  std::vector<PreparedValue> outputs;
  std::vector<Slot> defines;  ///< every activation that comes to be in this graph
};

/// What a slot holds before anything has run: a weight, a constant, or nothing yet.
struct SlotSource {
  const weights::WeightInfo* weight = nullptr;
  const weights::InlineConstant* constant = nullptr;
};

struct PreparedModel {
  PreparedGraph graph;
  std::vector<SlotSource> slots;
  weights::WeightTable weights;  ///< what `slots` points into
};

/// Errors: kMalformed `topology_malformed`, and whatever the operators' makers say of their nodes;
/// a node's error names its operator and its place.
Result<PreparedModel> Prepare(const wire::Topology& topology);

/// The same error, saying at which node it happened; a failed authentication gets no details.
Error AtNode(Error error, size_t index, const std::string& op);

}  // namespace ephemeralml::engine
