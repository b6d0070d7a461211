#include "enclave/engine/execute.h"

#include <algorithm>
#include <utility>

#include "enclave/engine/adapt.h"
#include "enclave/engine/match_inputs.h"

namespace ephemeralml::engine {
namespace {

// The activations of one request. Gone, and with them wiped, when it is.
class Execution {
 public:
  Execution(const PreparedModel& model, Resources resources, const Limits& limits)
      : model_(model),
        resources_(std::move(resources)),
        steps_left_(limits.most_steps),
        deadline_(limits.deadline),
        activations_(model.slots.size()) {
    resources_.run_graph = [this](const PreparedGraph& graph, std::vector<Tensor> inputs) {
      return RunSubgraph(graph, std::move(inputs));
    };
    resources_.interface_of = Describe;
  }

  ~Execution() {
    activations_.clear();
    resources_.arena->WipeDiscarded(
        [this](MutableByteSpan bytes) { WipeByAll(*resources_.threads, bytes); });
  }

  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  Done SetInput(Slot slot, const NamedView& input) {
    if (input.kind == ValueKind::kNothing) {
      activations_[slot] = Tensor::Nothing();
    } else if (input.kind == ValueKind::kTensor) {
      TRY(activations_[slot], Tensor::CopyOf(*resources_.arena, input.tensor));
    } else {
      std::vector<Tensor> elements;
      for (const TensorView& element : input.elements) {
        TRY(elements.emplace_back(), Tensor::CopyOf(*resources_.arena, element));
      }
      TRY(activations_[slot], Tensor::Sequence(std::move(elements)));
    }
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
  Done TakeStep();
  Result<std::vector<Tensor>> RunSubgraph(const PreparedGraph& graph, std::vector<Tensor> inputs);
  static GraphInterface Describe(const PreparedGraph& graph);
  NodeInput InputFrom(Slot slot) const;

  const PreparedModel& model_;
  Resources resources_;
  uint64_t steps_left_;
  std::chrono::steady_clock::time_point deadline_;
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

Done Execution::TakeStep() {
  if (steps_left_ == 0) {
    return Error{Code::kOverLimit, "step_limit_exceeded",
                 "the request runs more operators than a request may"};
  }
  --steps_left_;
  if (std::chrono::steady_clock::now() > deadline_) {
    return Error{Code::kOverLimit, "time_limit_exceeded",
                 "the request takes longer than a request may"};
  }
  return {};
}

Done Execution::RunNode(const PreparedNode& node) {
  TRY_OK(TakeStep());
  std::vector<NodeInput> inputs;
  inputs.reserve(node.inputs.size());
  for (const Slot slot : node.inputs) inputs.push_back(InputFrom(slot));
  NodeContext context(resources_, std::move(inputs), node.wants_output,
                      InputFrom(node.next_packed).weight);
  TRY_OK(RunAdapted(node.op, *node.kernel, context));
  TRY(std::vector<Tensor> outputs, context.TakeOutputs());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (node.wants_output[i]) activations_[node.outputs[i]] = std::move(outputs[i]);
  }
  for (const Slot slot : node.releases) activations_[slot].Discard();
  return {};
}

GraphInterface Execution::Describe(const PreparedGraph& graph) {
  GraphInterface interface {
    graph.inputs.size(), {}
  };
  for (const PreparedValue& output : graph.outputs) {
    GraphInterface::Output& described = interface.outputs.emplace_back();
    described.type = output.type;
    if (!output.shape) continue;
    for (const Dimension& dimension : *output.shape) {
      described.shape.push_back(std::max<int64_t>(dimension.size, 0));
    }
  }
  return interface;
}

Result<std::vector<Tensor>> Execution::RunSubgraph(const PreparedGraph& graph,
                                                   std::vector<Tensor> inputs) {
  TRY_OK(TakeStep());
  if (graph.inputs.size() != inputs.size()) {
    return Error{Code::kMalformed, "topology_malformed",
                 "a subgraph takes another number of inputs than its node gives it"};
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    activations_[graph.inputs[i].slot] = std::move(inputs[i]);
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
                                         const Limits& limits,
                                         const std::function<void()>& copied) {
  TRY(const std::vector<const NamedView*> matched, MatchInputs(model.graph.inputs, inputs));
  TRY(std::vector<ArenaBlock> windows, MakeWindows(arena, sealed, threads.count()));
  Execution execution(model, {&sealed, &arena, &ledger, &threads, windows, nullptr, nullptr},
                      limits);
  for (size_t i = 0; i < matched.size(); ++i) {
    TRY_OK(execution.SetInput(model.graph.inputs[i].slot, *matched[i]));
  }
  if (copied) copied();
  TRY_OK(execution.RunNodes(model.graph));
  std::vector<NamedTensor> outputs;
  for (const PreparedValue& output : model.graph.outputs) {
    TRY(Tensor tensor, execution.Output(output));
    outputs.push_back({output.name, std::move(tensor)});
  }
  return outputs;
}

}  // namespace ephemeralml::engine
