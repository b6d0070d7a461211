#pragma once
// The KernelContext of one run of one node: it finds inputs among activations, sealed weights and
// constants, opens weights that are asked for whole, and keeps them open until it goes. Made by the
// engine for every node, and by the kernels' tests.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine {

/// One value that a node reads: at most one of these; none if the input is left out.
struct NodeInput {
  const Tensor* activation = nullptr;
  const weights::WeightInfo* weight = nullptr;
  std::optional<TensorView> constant;

  bool present() const {
    return activation != nullptr || weight != nullptr || constant.has_value();
  }
};

/// What a request computes with. All of it outlives the contexts.
struct Resources {
  const weights::SealedModel* model = nullptr;
  Arena* arena = nullptr;
  weights::Ledger* ledger = nullptr;
  Threads* threads = nullptr;
  /// For every thread the window in which it opens panels; from MakeWindows.
  std::span<ArenaBlock> windows = {};
  /// Runs a subgraph on inputs and returns its outputs.
  std::function<Result<std::vector<Tensor>>(const PreparedGraph&, std::vector<Tensor>)> run_graph;
  std::function<GraphInterface(const PreparedGraph&)> interface_of = nullptr;
};

/// A window for each thread, for pieces of up to kLargestPieceBytes.
/// Errors: kOverLimit `session_memory_exceeded`.
Result<std::vector<ArenaBlock>> MakeWindows(Arena& arena, const weights::SealedModel& model,
                                            size_t threads);

/// The input's elements as an activation: shared if it is one, else copied.
/// Errors: kUnauthentic `weights_unauthentic`, kOverLimit `session_memory_exceeded`.
Result<Tensor> ToActivation(const NodeInput& input, const Resources& resources);

class NodeContext final : public KernelContext {
 public:
  /// `next_packed`: the packed weight that a later node takes next, or null.
  NodeContext(const Resources& resources, std::vector<NodeInput> inputs,
              std::vector<bool> wants_output, const weights::WeightInfo* next_packed = nullptr);

  size_t input_count() const override { return inputs_.size(); }
  size_t output_count() const override { return wants_output_.size(); }
  bool HasInput(size_t index) const override;
  bool WantsOutput(size_t index) const override;
  ValueKind InputKind(size_t index) const override;
  ElementType InputType(size_t index) const override;
  const Shape& InputShape(size_t index) const override;
  bool IsWeight(size_t index) const override;
  bool HoldsWeight(size_t index) const override { return IsWeight(index); }
  Result<TensorView> Input(size_t index) override;
  Result<Tensor> InputValue(size_t index) override;
  Result<weights::PanelStream> Panels(size_t index) override;
  Result<weights::PackedWeight> Packed(size_t index, weights::PanelLayout layout) override;
  Result<Tensor*> Output(size_t index, ElementType type, Shape shape) override;
  Result<Tensor*> OutputToOverwrite(size_t index, ElementType type, Shape shape) override;
  void SetOutput(size_t index, Tensor value) override;
  Done ForwardInput(size_t input, size_t output, Shape shape) override;
  Result<ArenaBlock> Scratch(size_t bytes) override;
  Result<ArenaBlock> ScratchToOverwrite(size_t bytes) override;
  Arena& arena() override { return *resources_->arena; }
  MutableByteSpan Window(size_t part) override;
  ByteSpan SealedAhead(size_t part, size_t parts) const override;
  Done RunGraph(const PreparedGraph& graph) override;
  GraphInterface InterfaceOf(const PreparedGraph& graph) const override;
  Result<std::vector<Tensor>> CallGraph(const PreparedGraph& graph,
                                        std::vector<Tensor> inputs) override;
  Threads& threads() override { return *resources_->threads; }

  weights::Ledger& ledger() { return *resources_->ledger; }
  /// True once the kernel has run a subgraph.
  bool has_run_graph() const { return has_run_graph_; }

  /// Forgets the outputs that a run that failed has made.
  void DropOutputs();

  /// The outputs, one for each that the node lists; those that nobody wants may be empty tensors.
  /// Errors: kInternal `output_missing` if the kernel left a wanted one out.
  Result<std::vector<Tensor>> TakeOutputs();

 private:
  const NodeInput& Present(size_t index) const;
  // Together with all others that lie in the same chunk: opening it is what takes time.
  Done OpenWeight(size_t index);

  const Resources* resources_;
  std::vector<NodeInput> inputs_;
  std::vector<bool> wants_output_;
  const weights::WeightInfo* next_packed_;
  bool has_run_graph_ = false;
  std::vector<std::optional<weights::OpenPanel>> opened_;  // by input
  std::vector<std::optional<Tensor>> outputs_;
};

}  // namespace ephemeralml::engine
