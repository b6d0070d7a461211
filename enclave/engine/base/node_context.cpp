#include "enclave/engine/base/node_context.h"

#include <algorithm>
#include <string>
#include <utility>

namespace ephemeralml::engine {
namespace {

Error PackedOtherwise() {
  return {Code::kMalformed, "topology_malformed",
          "a weight is packed for another kind of operator than the one that takes it"};
}

Result<weights::PanelStream> StreamOf(const weights::WeightInfo& weight,
                                      const Resources& resources) {
  if (weights::IsPacked(weight.layout)) return PackedOtherwise();
  return weights::PanelStream(*resources.model, weight, *resources.arena, *resources.ledger);
}

}  // namespace

Result<std::vector<ArenaBlock>> MakeWindows(Arena& arena, const weights::SealedModel& model,
                                            size_t threads) {
  std::vector<ArenaBlock> windows(threads);
  for (ArenaBlock& window : windows) {
    TRY(window, arena.Allocate(kLargestPieceBytes + 2 * model.cipher->chunk_bytes()));
  }
  return windows;
}

Result<Tensor> ToActivation(const NodeInput& input, const Resources& resources) {
  CHECK(input.present());
  if (input.activation != nullptr) return *input.activation;
  if (input.weight != nullptr) {
    const weights::WeightInfo& weight = *input.weight;
    TRY(Tensor copy, Tensor::CreateToOverwrite(*resources.arena, weight.type, weight.shape));
    TRY(const weights::PanelStream stream, StreamOf(weight, resources));
    TRY(const weights::OpenPanel opened, stream.OpenRowMajor());
    std::copy_n(opened.bytes().data(), opened.bytes().size(), copy.MutableBytes().data());
    return copy;
  }
  return Tensor::CopyOf(*resources.arena, *input.constant);
}

NodeContext::NodeContext(const Resources& resources, std::vector<NodeInput> inputs,
                         std::vector<bool> wants_output, const weights::WeightInfo* next_packed)
    : resources_(&resources),
      inputs_(std::move(inputs)),
      wants_output_(std::move(wants_output)),
      next_packed_(next_packed),
      opened_(inputs_.size()),
      outputs_(wants_output_.size()) {}

bool NodeContext::HasInput(size_t index) const {
  return index < inputs_.size() && inputs_[index].present();
}

bool NodeContext::WantsOutput(size_t index) const {
  return index < wants_output_.size() && wants_output_[index];
}

const NodeInput& NodeContext::Present(size_t index) const {
  CHECK(HasInput(index));
  return inputs_[index];
}

ValueKind NodeContext::InputKind(size_t index) const {
  const NodeInput& input = Present(index);
  return input.activation != nullptr ? input.activation->kind() : ValueKind::kTensor;
}

ElementType NodeContext::InputType(size_t index) const {
  const NodeInput& input = Present(index);
  if (input.activation != nullptr) return input.activation->type();
  return input.weight != nullptr ? input.weight->type : input.constant->type;
}

const Shape& NodeContext::InputShape(size_t index) const {
  const NodeInput& input = Present(index);
  if (input.activation != nullptr) return input.activation->shape();
  return input.weight != nullptr ? input.weight->shape : input.constant->shape;
}

bool NodeContext::IsWeight(size_t index) const { return Present(index).weight != nullptr; }

Done NodeContext::OpenWeight(size_t index) {
  const auto chunk_of = [&](size_t i) -> std::optional<uint64_t> {
    const weights::WeightInfo* weight = inputs_[i].weight;
    const bool is_whole = weight != nullptr && weight->layout == weights::PanelLayout::kRows;
    if (!is_whole || opened_[i]) return std::nullopt;
    return weights::PanelStream::OnlyChunkOf(*resources_->model, *weight);
  };
  std::vector<size_t> places;
  std::vector<const weights::WeightInfo*> weights;
  if (const auto chunk = chunk_of(index)) {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (chunk_of(i) != chunk) continue;
      places.push_back(i);
      weights.push_back(inputs_[i].weight);
    }
  }
  if (places.size() < 2) {
    TRY(const weights::PanelStream stream, Panels(index));
    TRY(weights::OpenPanel opened, stream.OpenRowMajor());
    opened_[index].emplace(std::move(opened));
    return {};
  }
  TRY(std::vector<weights::OpenPanel> opened,
      weights::PanelStream::OpenTogether(*resources_->model, weights, *resources_->arena,
                                         *resources_->ledger));
  for (size_t i = 0; i < places.size(); ++i) opened_[places[i]].emplace(std::move(opened[i]));
  return {};
}

Result<TensorView> NodeContext::Input(size_t index) {
  const NodeInput& input = Present(index);
  if (input.activation != nullptr) return input.activation->View();
  if (input.constant) return *input.constant;
  if (!opened_[index]) TRY_OK(OpenWeight(index));
  return TensorView{input.weight->type, input.weight->shape, opened_[index]->bytes()};
}

Result<Tensor> NodeContext::InputValue(size_t index) {
  return ToActivation(Present(index), *resources_);
}

void NodeContext::SetOutput(size_t index, Tensor value) {
  CHECK(index < outputs_.size());
  outputs_[index] = std::move(value);
}

Result<weights::PanelStream> NodeContext::Panels(size_t index) {
  const NodeInput& input = Present(index);
  CHECK(input.weight != nullptr);
  return StreamOf(*input.weight, *resources_);
}

Result<weights::PackedWeight> NodeContext::Packed(size_t index, weights::PanelLayout layout) {
  const NodeInput& input = Present(index);
  if (input.weight == nullptr) return PackedOtherwise();
  const weights::PanelLayout found = input.weight->layout;
  const bool is_paired =
      layout == weights::PanelLayout::kMatrixPanels && found == weights::PanelLayout::kMatrixPairs;
  if (found != layout && !is_paired) return PackedOtherwise();
  return weights::PackedWeight(*resources_->model, *input.weight, *resources_->ledger);
}

Result<Tensor*> NodeContext::Output(size_t index, ElementType type, Shape shape) {
  CHECK(index < outputs_.size());
  TRY(Tensor tensor,
      Tensor::Create(*resources_->arena, type, std::move(shape), *resources_->threads));
  return &outputs_[index].emplace(std::move(tensor));
}

Result<Tensor*> NodeContext::OutputToOverwrite(size_t index, ElementType type, Shape shape) {
  CHECK(index < outputs_.size());
  TRY(Tensor tensor, Tensor::CreateToOverwrite(*resources_->arena, type, std::move(shape)));
  return &outputs_[index].emplace(std::move(tensor));
}

Done NodeContext::ForwardInput(size_t input, size_t output, Shape shape) {
  CHECK(output < outputs_.size());
  TRY(const Tensor tensor, ToActivation(Present(input), *resources_));
  outputs_[output] = tensor.Reshaped(std::move(shape));
  return {};
}

Result<ArenaBlock> NodeContext::Scratch(size_t bytes) { return resources_->arena->Allocate(bytes); }

Result<ArenaBlock> NodeContext::ScratchToOverwrite(size_t bytes) {
  return resources_->arena->AllocateToOverwrite(bytes);
}

MutableByteSpan NodeContext::Window(size_t part) {
  CHECK(part < resources_->windows.size());
  return resources_->windows[part].bytes();
}

ByteSpan NodeContext::SealedAhead(size_t part, size_t parts) const {
  if (next_packed_ == nullptr || next_packed_->packed.panel_count() == 0) return {};
  const weights::PackedWeight next(*resources_->model, *next_packed_, *resources_->ledger);
  const uint64_t first = next.shape().panel_count() * part / parts;
  return next.Read(first, first + 1, {}).Upcoming();
}

Done NodeContext::RunGraph(const PreparedGraph& graph) {
  TRY(std::vector<Tensor> results, CallGraph(graph, {}));
  if (results.size() != outputs_.size()) {
    return Error{Code::kMalformed, "topology_malformed",
                 "a subgraph makes " + std::to_string(results.size()) +
                     " outputs, its node lists " + std::to_string(outputs_.size())};
  }
  std::ranges::move(results, outputs_.begin());
  return {};
}

GraphInterface NodeContext::InterfaceOf(const PreparedGraph& graph) const {
  CHECK(resources_->interface_of != nullptr);
  return resources_->interface_of(graph);
}

Result<std::vector<Tensor>> NodeContext::CallGraph(const PreparedGraph& graph,
                                                   std::vector<Tensor> inputs) {
  CHECK(resources_->run_graph != nullptr);
  has_run_graph_ = true;
  return resources_->run_graph(graph, std::move(inputs));
}

void NodeContext::DropOutputs() {
  for (std::optional<Tensor>& output : outputs_) output.reset();
}

Result<std::vector<Tensor>> NodeContext::TakeOutputs() {
  std::vector<Tensor> outputs(outputs_.size());
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i]) {
      outputs[i] = *std::exchange(outputs_[i], std::nullopt);
    } else if (wants_output_[i]) {
      return Error{Code::kInternal, "output_missing",
                   "an operator left out output " + std::to_string(i) + "; please report this"};
    }
  }
  return outputs;
}

}  // namespace ephemeralml::engine
