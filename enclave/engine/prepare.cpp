#include "enclave/engine/prepare.h"

#include <memory_resource>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/wire/topology.pb.h"
#include "common/wire/topology_format.h"
#include "enclave/engine/kernels/table.h"
#include "enclave/engine/read_node.h"

namespace ephemeralml::engine {
namespace {

constexpr int kMostDimensions = 32;

std::string ValueName(uint32_t id) { return "value " + std::to_string(id); }

Result<PreparedValue> ReadValue(const wire::Value& message, Slot slot) {
  PreparedValue value{slot, message.name(),        wire::ElementTypeFromNumber(message.type()),
                      {},   message.is_sequence(), message.is_optional()};
  if (!message.has_shape()) return value;
  if (message.shape_size() > kMostDimensions) {
    return TopologyMalformed(ValueName(message.id()) + " has too many dimensions");
  }
  value.shape.emplace();
  for (const wire::Dimension& dimension : message.shape()) {
    if (dimension.size() < -1) {
      return TopologyMalformed(ValueName(message.id()) + " has a negative dimension");
    }
    value.shape->push_back({dimension.size(), dimension.symbol()});
  }
  return value;
}

// Walks graphs in their order of execution. A value is known from its definition to the end of the
// graph that defines it, subgraphs on the way included: what isn't known can't be used, so there
// are no cycles and no dangling operands.
class Preparer {
 public:
  Preparer(std::map<std::string, int64_t> versions, PreparedModel& model)
      : versions_(std::move(versions)), model_(model) {}

  Done DefineWeights() {
    for (const auto& [id, weight] : model_.weights) {
      TRY(const Slot slot, Define(id));
      const auto* constant = std::get_if<weights::InlineConstant>(&weight);
      if (constant != nullptr) TRY_OK(ElementCount(constant->shape));
      model_.slots[slot] = {std::get_if<weights::WeightInfo>(&weight), constant};
    }
    return {};
  }

  Result<PreparedGraph> PrepareGraph(const wire::Graph& message);

 private:
  // What is known of one activation while its graph is being walked.
  struct Life {
    size_t depth = 0;  // of the graph that defines it; 0: a weight, which lives throughout
    bool known = true;
    bool used = false;
    bool is_output = false;  // of its graph
    size_t last_use = 0;     // the node of its graph that uses it last, perhaps in a subgraph
  };

  Result<Slot> Define(uint32_t id);
  Result<Slot> Use(uint32_t id);
  Result<PreparedNode> PrepareNode(const wire::Node& message);
  Result<NodeSpec> ReadSpec(const wire::Node& message);
  Done DefineInputs(const wire::Graph& message, PreparedGraph& graph);
  Done UseOutputs(const wire::Graph& message, PreparedGraph& graph);
  void PlanReleases(PreparedGraph& graph);
  void FindNextPacked(PreparedGraph& graph) const;

  std::map<std::string, int64_t> versions_;
  PreparedModel& model_;
  std::pmr::monotonic_buffer_resource memory_;  // of `slots_`
  std::pmr::unordered_map<uint32_t, Slot> slots_{&memory_};
  std::vector<Life> lives_;                           // by slot
  std::vector<size_t> node_at_ = {0};                 // by depth: the node being prepared
  std::vector<PreparedGraph*> graph_at_ = {nullptr};  // by depth
  size_t node_count_ = 0;
};

Result<Slot> Preparer::Define(uint32_t id) {
  if (id == 0) return TopologyMalformed("a value is defined without an id");
  const auto slot = static_cast<Slot>(model_.slots.size());
  if (!slots_.emplace(id, slot).second) {
    return TopologyMalformed(ValueName(id) + " is defined twice");
  }
  model_.slots.emplace_back();
  const size_t depth = graph_at_.size() - 1;
  lives_.push_back({.depth = depth, .last_use = node_at_[depth]});
  if (depth > 0) graph_at_[depth]->defines.push_back(slot);
  return slot;
}

Result<Slot> Preparer::Use(uint32_t id) {
  const auto found = slots_.find(id);
  if (found == slots_.end() || !lives_[found->second].known) {
    return TopologyMalformed(ValueName(id) + " is used where it isn't defined");
  }
  Life& life = lives_[found->second];
  life.used = true;
  life.last_use = node_at_[life.depth];
  return found->second;
}

Done Preparer::DefineInputs(const wire::Graph& message, PreparedGraph& graph) {
  std::set<std::string> names;
  for (const wire::Value& input : message.inputs()) {
    TRY(const Slot slot, Define(input.id()));
    TRY(PreparedValue value, ReadValue(input, slot));
    if (graph_at_.size() == 2 && !names.insert(value.name).second) {
      return TopologyMalformed("two inputs have the name '" + value.name + "'");
    }
    graph.inputs.push_back(std::move(value));
  }
  return {};
}

Done Preparer::UseOutputs(const wire::Graph& message, PreparedGraph& graph) {
  std::set<std::string> names;
  const size_t depth = graph_at_.size() - 1;
  for (const wire::Value& output : message.outputs()) {
    TRY(const Slot slot, Use(output.id()));
    TRY(PreparedValue value, ReadValue(output, slot));
    if (depth == 1 && !names.insert(value.name).second) {
      return TopologyMalformed("two outputs have the name '" + value.name + "'");
    }
    if (lives_[slot].depth == depth) lives_[slot].is_output = true;
    graph.outputs.push_back(std::move(value));
  }
  return {};
}

void Preparer::PlanReleases(PreparedGraph& graph) {
  for (const Slot slot : graph.defines) {
    Life& life = lives_[slot];
    life.known = false;
    if (!life.is_output && life.last_use < graph.nodes.size()) {
      graph.nodes[life.last_use].releases.push_back(slot);
    }
  }
  for (PreparedNode& node : graph.nodes) {
    node.wants_output.reserve(node.outputs.size());
    for (const Slot slot : node.outputs) {
      node.wants_output.push_back(slot != kNoSlot && lives_[slot].used);
    }
  }
}

void Preparer::FindNextPacked(PreparedGraph& graph) const {
  Slot next = kNoSlot;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    PreparedNode& node = graph.nodes[i];
    node.next_packed = next;
    // The first one that it takes is opened first.
    for (size_t input = node.inputs.size(); input-- > 0;) {
      const Slot slot = node.inputs[input];
      if (slot == kNoSlot) continue;
      const weights::WeightInfo* const weight = model_.slots[slot].weight;
      if (weight != nullptr && weights::IsPacked(weight->layout)) next = slot;
    }
  }
}

Result<PreparedGraph> Preparer::PrepareGraph(const wire::Graph& message) {
  if (graph_at_.size() > kDeepestNesting) {
    return TopologyMalformed("subgraphs are nested more than " + std::to_string(kDeepestNesting) +
                             " deep");
  }
  PreparedGraph graph;
  graph_at_.push_back(&graph);
  node_at_.push_back(0);
  TRY_OK(DefineInputs(message, graph));
  const auto node_count = static_cast<size_t>(message.nodes_size());
  if (node_count > kMostNodes - node_count_) {
    return TopologyMalformed("there are more than " + std::to_string(kMostNodes) + " nodes");
  }
  node_count_ += node_count;
  graph.nodes.reserve(node_count);
  for (const wire::Node& node : message.nodes()) {
    const size_t index = graph.nodes.size();
    node_at_.back() = index;
    Result<PreparedNode> prepared = PrepareNode(node);
    if (!prepared.has_value()) {
      return AtNode(std::move(prepared).error(), index, node.operator_());
    }
    graph.nodes.push_back(*std::move(prepared));
  }
  TRY_OK(UseOutputs(message, graph));
  PlanReleases(graph);
  FindNextPacked(graph);
  graph_at_.pop_back();
  node_at_.pop_back();
  return graph;
}

Result<NodeSpec> Preparer::ReadSpec(const wire::Node& message) {
  NodeSpec spec;
  spec.op = message.operator_();
  spec.domain = message.domain() == "ai.onnx" ? "" : message.domain();
  const auto version = versions_.find(spec.domain);
  if (version == versions_.end()) {
    return TopologyMalformed("operator domain '" + spec.domain + "' isn't imported");
  }
  spec.opset = version->second;
  spec.input_count = static_cast<size_t>(message.inputs_size());
  spec.output_count = static_cast<size_t>(message.outputs_size());
  const PrepareSubgraph prepare =
      [this](const wire::Graph& subgraph) -> Result<std::shared_ptr<const PreparedGraph>> {
    TRY(PreparedGraph graph, PrepareGraph(subgraph));
    return std::make_shared<const PreparedGraph>(std::move(graph));
  };
  TRY(spec.attributes, ReadAttributes(message, prepare));
  return spec;
}

Result<PreparedNode> Preparer::PrepareNode(const wire::Node& message) {
  PreparedNode node;
  node.op = message.operator_();
  node.inputs.reserve(static_cast<size_t>(message.inputs_size()));
  node.outputs.reserve(static_cast<size_t>(message.outputs_size()));
  for (const uint32_t id : message.inputs()) {
    if (id == 0) {
      node.inputs.push_back(kNoSlot);
    } else {
      TRY(node.inputs.emplace_back(), Use(id));
    }
  }
  TRY(const NodeSpec spec, ReadSpec(message));
  TRY(const KernelMaker make, kernels::FindKernel(spec.domain, spec.op, spec.opset));
  TRY(node.kernel, make(spec));
  for (const uint32_t id : message.outputs()) {
    if (id == 0) {
      node.outputs.push_back(kNoSlot);
    } else {
      TRY(node.outputs.emplace_back(), Define(id));
    }
  }
  return node;
}

}  // namespace

Error AtNode(Error error, size_t index, const std::string& op) {
  if (error.code == Code::kUnauthentic) return error;
  error.what = "node " + std::to_string(index) + " (" + op + "): " + error.what;
  return error;
}

Result<PreparedModel> Prepare(const wire::Topology& topology) {
  if (topology.format_version() != wire::kTopologyFormatVersion) {
    return TopologyMalformed("the topology has format version " +
                             std::to_string(topology.format_version()) + "; this is for version " +
                             std::to_string(wire::kTopologyFormatVersion));
  }
  PreparedModel model;
  TRY(model.weights, weights::ReadWeights(topology));
  TRY(auto versions, ReadOperatorSets(topology));
  Preparer preparer(std::move(versions), model);
  TRY_OK(preparer.DefineWeights());
  TRY(model.graph, preparer.PrepareGraph(topology.graph()));
  return model;
}

}  // namespace ephemeralml::engine
