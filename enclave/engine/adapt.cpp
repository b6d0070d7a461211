#include "enclave/engine/adapt.h"

#include <algorithm>
#include <array>
#include <utility>

#include "enclave/engine/kernels/convert.h"

namespace ephemeralml::engine {
namespace {

// Types whose values floats hold exactly, and that the operator only compares or rounds to.
bool IsNarrow(ElementType type, std::string_view op) {
  if (type == ElementType::kFloat16 || type == ElementType::kBfloat16) return true;
  return op == "MaxPool" && (type == ElementType::kInt8 || type == ElementType::kUint8);
}

// Operators that don't compute with their elements.
constexpr auto kTakeStrings = std::to_array<std::string_view>(
    {"Compress",        "Concat",    "DepthToSpace", "Equal",        "Expand",          "Gather",
     "GatherElements",  "GatherND",  "OneHot",       "Pad",          "ReverseSequence", "Scatter",
     "ScatterElements", "ScatterND", "Slice",        "SpaceToDepth", "Split",           "Tile",
     "Transpose",       "Unique",    "Where"});
static_assert(std::ranges::is_sorted(kTakeStrings));

// What strings are lent as.
constexpr ElementType kRank = ElementType::kUint64;

// An input as another type. Made of a weight, it is one.
class Lent {
 public:
  Lent(ArenaBlock block, weights::Ledger* ledger) {
    if (ledger == nullptr) {
      activation_ = std::move(block);
    } else {
      weight_.emplace(std::move(block), *ledger);
    }
  }
  MutableByteSpan Fill() { return weight_ ? weight_->Renew() : activation_.bytes(); }
  ByteSpan bytes() const { return weight_ ? weight_->bytes() : activation_.bytes(); }

 private:
  ArenaBlock activation_;
  std::optional<weights::DerivedWeights> weight_;
};

// A context in which some inputs have another type, and outputs of that type are turned back.
class AdaptedContext final : public KernelContext {
 public:
  explicit AdaptedContext(NodeContext& inner)
      : inner_(inner), lent_(inner.input_count()), made_(inner.output_count()) {}

  // Errors: kUnsupported `type_unsupported` if no input is of such a type; those of Input.
  Done Prepare(const Error& refusal, std::string_view op);
  // Turns outputs back.
  Done Finish();

  size_t input_count() const override { return inner_.input_count(); }
  size_t output_count() const override { return inner_.output_count(); }
  bool HasInput(size_t index) const override { return inner_.HasInput(index); }
  bool WantsOutput(size_t index) const override { return inner_.WantsOutput(index); }
  ValueKind InputKind(size_t index) const override { return inner_.InputKind(index); }
  const Shape& InputShape(size_t index) const override { return inner_.InputShape(index); }
  Result<ArenaBlock> Scratch(size_t bytes) override { return inner_.Scratch(bytes); }
  Result<ArenaBlock> ScratchToOverwrite(size_t bytes) override {
    return inner_.ScratchToOverwrite(bytes);
  }
  MutableByteSpan Window(size_t part) override { return inner_.Window(part); }
  ByteSpan SealedAhead(size_t part, size_t parts) const override {
    return inner_.SealedAhead(part, parts);
  }
  Arena& arena() override { return inner_.arena(); }
  Threads& threads() override { return inner_.threads(); }
  Done RunGraph(const PreparedGraph& graph) override { return inner_.RunGraph(graph); }
  Result<Tensor> InputValue(size_t index) override { return inner_.InputValue(index); }
  void SetOutput(size_t index, Tensor value) override { inner_.SetOutput(index, std::move(value)); }
  GraphInterface InterfaceOf(const PreparedGraph& graph) const override {
    return inner_.InterfaceOf(graph);
  }
  Result<std::vector<Tensor>> CallGraph(const PreparedGraph& graph,
                                        std::vector<Tensor> inputs) override {
    return inner_.CallGraph(graph, std::move(inputs));
  }
  Done ForwardInput(size_t input, size_t output, Shape shape) override {
    return inner_.ForwardInput(input, output, std::move(shape));
  }

  ElementType InputType(size_t index) const override {
    return lent_[index] ? lent_type_ : inner_.InputType(index);
  }
  bool IsWeight(size_t index) const override { return !lent_[index] && inner_.IsWeight(index); }
  bool HoldsWeight(size_t index) const override { return inner_.IsWeight(index); }
  Result<TensorView> Input(size_t index) override {
    if (!lent_[index]) return inner_.Input(index);
    return TensorView{lent_type_, inner_.InputShape(index), lent_[index]->bytes()};
  }
  Result<weights::PanelStream> Panels(size_t index) override {
    CHECK(!lent_[index]);
    return inner_.Panels(index);
  }
  Result<weights::PackedWeight> Packed(size_t index, weights::PanelLayout layout) override {
    return inner_.Packed(index, layout);
  }
  Result<Tensor*> OutputToOverwrite(size_t index, ElementType type, Shape shape) override {
    return Output(index, type, std::move(shape));
  }
  Result<Tensor*> Output(size_t index, ElementType type, Shape shape) override {
    if (type != lent_type_) return inner_.Output(index, type, std::move(shape));
    CHECK(index < made_.size());
    TRY(Tensor tensor, Tensor::Create(arena(), type, std::move(shape)));
    return &made_[index].emplace(std::move(tensor));
  }

 private:
  Done LendFloats(size_t index);
  Done CollectStrings();
  Done LendRanks(size_t index);
  Done GiveStrings(size_t index, const Tensor& ranks);

  NodeContext& inner_;
  ElementType original_ = ElementType::kUndefined;
  ElementType lent_type_ = ElementType::kUndefined;
  std::vector<std::optional<Lent>> lent_;    // by input
  std::vector<std::optional<Tensor>> made_;  // by output
  std::vector<std::string_view> strings_;    // by rank
};

Done AdaptedContext::Prepare(const Error& refusal, std::string_view op) {
  const auto type_of = [&](size_t i) {
    const bool is_tensor = HasInput(i) && InputKind(i) == ValueKind::kTensor;
    return is_tensor ? inner_.InputType(i) : ElementType::kUndefined;
  };
  for (size_t i = 0; i < input_count(); ++i) {
    const ElementType type = type_of(i);
    if (!IsNarrow(type, op) && type != ElementType::kString) continue;
    if (original_ == ElementType::kUndefined) original_ = type;
    if (type != original_) return refusal;
  }
  if (original_ == ElementType::kUndefined) return refusal;
  if (original_ == ElementType::kString && !std::ranges::binary_search(kTakeStrings, op)) {
    return refusal;
  }
  lent_type_ = original_ == ElementType::kString ? kRank : ElementType::kFloat;
  if (original_ == ElementType::kString) TRY_OK(CollectStrings());
  for (size_t i = 0; i < input_count(); ++i) {
    if (type_of(i) != original_) continue;
    TRY_OK(original_ == ElementType::kString ? LendRanks(i) : LendFloats(i));
  }
  return {};
}

Done AdaptedContext::LendFloats(size_t index) {
  TRY(const TensorView input, inner_.Input(index));
  TRY(const size_t bytes, ByteCount(ElementType::kFloat, input.shape));
  TRY(ArenaBlock block, Scratch(bytes));
  weights::Ledger* ledger = inner_.IsWeight(index) ? &inner_.ledger() : nullptr;
  Lent lent(std::move(block), ledger);
  TRY_OK(kernels::ConvertElements(threads(), input, ElementType::kFloat, lent.Fill()));
  lent_[index].emplace(std::move(lent));
  return {};
}

Done AdaptedContext::CollectStrings() {
  for (size_t i = 0; i < input_count(); ++i) {
    if (!HasInput(i) || InputKind(i) != ValueKind::kTensor) continue;
    if (inner_.InputType(i) != ElementType::kString) continue;
    TRY(const TensorView input, inner_.Input(i));
    TRY(const std::vector<std::string_view> strings, Strings(input));
    strings_.insert(strings_.end(), strings.begin(), strings.end());
  }
  strings_.emplace_back();  // what an output holds where a kernel puts zeros
  std::ranges::sort(strings_);
  strings_.erase(std::unique(strings_.begin(), strings_.end()), strings_.end());
  return {};
}

Done AdaptedContext::LendRanks(size_t index) {
  TRY(const TensorView input, inner_.Input(index));
  TRY(const std::vector<std::string_view> strings, Strings(input));
  TRY(ArenaBlock block, Scratch(strings.size() * sizeof(uint64_t)));
  auto* ranks = reinterpret_cast<uint64_t*>(block.bytes().data());
  for (const std::string_view text : strings) {
    *ranks++ = static_cast<uint64_t>(std::ranges::lower_bound(strings_, text) - strings_.begin());
  }
  lent_[index].emplace(std::move(block), nullptr);
  return {};
}

Done AdaptedContext::GiveStrings(size_t index, const Tensor& ranks) {
  std::vector<std::string_view> strings;
  const TensorView view = ranks.View();
  for (const uint64_t rank : view.Values<uint64_t>()) {
    if (rank >= strings_.size()) {
      return Error{Code::kUnsupported, "type_unsupported", "the operator takes no strings"};
    }
    strings.push_back(strings_[rank]);
  }
  TRY(Tensor tensor, Tensor::OfStrings(arena(), ranks.shape(), strings));
  inner_.SetOutput(index, std::move(tensor));
  return {};
}

Done AdaptedContext::Finish() {
  for (size_t i = 0; i < made_.size(); ++i) {
    if (!made_[i]) continue;
    if (original_ == ElementType::kString) {
      TRY_OK(GiveStrings(i, *made_[i]));
      continue;
    }
    TRY(Tensor * output, inner_.Output(i, original_, made_[i]->shape()));
    TRY_OK(
        kernels::ConvertElements(threads(), made_[i]->View(), original_, output->MutableBytes()));
  }
  return {};
}

}  // namespace

Done RunAdapted(std::string_view op, const Kernel& kernel, NodeContext& context) {
  Done done = kernel.Run(context);
  if (done.has_value() || done.error().reason != "type_unsupported") return done;
  // It may be a node of a subgraph that takes no such type: loops in loops would all run again.
  if (context.has_run_graph()) return done;
  context.DropOutputs();
  AdaptedContext adapted(context);
  TRY_OK(adapted.Prepare(done.error(), op));
  TRY_OK(kernel.Run(adapted));
  return adapted.Finish();
}

}  // namespace ephemeralml::engine
