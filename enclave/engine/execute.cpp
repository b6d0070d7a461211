#include "enclave/engine/execute.h"

#include <algorithm>
#include <utility>

#include "enclave/engine/match_inputs.h"

namespace ephemeralml::engine {
namespace {

// The activations of one request. Gone, and with them wiped, when it is.
class Execution {
 public:
  Execution(const PreparedModel& model, Resources resources, uint64_t most_steps)
      : model_(model),
        resources_(std::move(resources)),
        steps_left_(most_steps),
        activations_(model.slots.size()) {
    resources_.run_graph = [this](const PreparedGraph& graph) { return RunSubgraph(graph); };
  }

  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  Done SetInput(Slot slot, const TensorView& input) {
    TRY(Tensor tensor, Tensor::Create(*resources_.arena, input.type, input.shape));
    std::ranges::copy(input.bytes, tensor.MutableBytes().begin());
    activations_[slot] = std::move(tensor);
    return {};
  }

  Done RunNodes(const PreparedGraph& graph) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const PreparedNode& node = graph.nodes[i];
      Done done = RunNode(node);
      if (!done.has_value()) return AtNode(std::move(done).error(), i, node.op);
    }
    return {};
  }

  Result<Tensor> Output(const PreparedValue& output) {
    return ToActivation(InputFrom(output.slot), resources_);
  }

 private:
  Done RunNode(const PreparedNode& node);
  Result<std::vector<Tensor>> RunSubgraph(const PreparedGraph& graph);
  NodeInput InputFrom(Slot slot) const;

  const PreparedModel& model_;
  Resources resources_;
  uint64_t steps_left_;
  std::vector<Tensor> activations_;  // by slot
};

NodeInput Execution::InputFrom(Slot slot) const {
  NodeInput input;
  if (slot == kNoSlot) return input;
  const SlotSource& source = model_.slots[slot];
  if (source.weight != nullptr) {
    input.weight = source.weight;
  } else if (source.constant != nullptr) {
    input.constant =
        TensorView{source.constant->type, source.constant->shape, source.constant->bytes};
  } else {
    input.activation = &activations_[slot];
  }
  return input;
}

Done Execution::RunNode(const PreparedNode& node) {
  if (steps_left_ == 0) {
    return Error{Code::kOverLimit, "step_limit_exceeded",
                 "the request runs more operators than a request may"};
  }
  --steps_left_;
  std::vector<NodeInput> inputs;
  inputs.reserve(node.inputs.size());
  for (const Slot slot : node.inputs) inputs.push_back(InputFrom(slot));
  NodeContext context(resources_, std::move(inputs), node.wants_output);
  TRY_OK(node.kernel->Run(context));
  TRY(std::vector<Tensor> outputs, context.TakeOutputs());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (node.wants_output[i]) activations_[node.outputs[i]] = std::move(outputs[i]);
  }
  for (const Slot slot : node.releases) activations_[slot].Release(*resources_.threads);
  return {};
}

Result<std::vector<Tensor>> Execution::RunSubgraph(const PreparedGraph& graph) {
  if (!graph.inputs.empty()) {
    return Error{Code::kMalformed, "topology_malformed", "a branch takes inputs of its own"};
  }
  TRY_OK(RunNodes(graph));
  std::vector<Tensor> outputs;
  for (const PreparedValue& output : graph.outputs) {
    TRY(outputs.emplace_back(), Output(output));
  }
  for (const Slot slot : graph.defines) activations_[slot] = Tensor();
  return outputs;
}

}  // namespace

Result<std::vector<NamedTensor>> Execute(const PreparedModel& model,
                                         std::span<const NamedView> inputs,
                                         const weights::SealedModel& sealed, Arena& arena,
                                         Threads& threads, weights::Ledger& ledger,
                                         const Limits& limits) {
  TRY(const std::vector<TensorView> matched, MatchInputs(model.graph.inputs, inputs));
  TRY(std::vector<ArenaBlock> windows, MakeWindows(arena, sealed, threads.count()));
  Execution execution(model, {&sealed, &arena, &ledger, &threads, windows, nullptr},
                      limits.most_steps);
  for (size_t i = 0; i < matched.size(); ++i) {
    TRY_OK(execution.SetInput(model.graph.inputs[i].slot, matched[i]));
  }
  TRY_OK(execution.RunNodes(model.graph));
  std::vector<NamedTensor> outputs;
  for (const PreparedValue& output : model.graph.outputs) {
    TRY(Tensor tensor, execution.Output(output));
    outputs.push_back({output.name, std::move(tensor)});
  }
  return outputs;
}

}  // namespace ephemeralml::engine
