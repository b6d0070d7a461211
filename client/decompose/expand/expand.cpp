#include "client/decompose/expand/expand.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "client/decompose/expand/rules.h"

namespace ephemeralml::decompose {
namespace {

struct Rule {
  ExpandedOperator op;
  size_t least_inputs;
  ExpandFn expand;
};

constexpr auto kRules = std::to_array<Rule>({
    {{"", "LayerNormalization"}, 2, ExpandLayerNormalization},
    {{"", "SimplifiedLayerNormalization"}, 2, ExpandSimplifiedLayerNormalization},
    {{"", "Swish"}, 1, ExpandSwish},
    {{"", "Upsample"}, 1, ExpandUpsample},
    {{kContributedDomain, "Attention"}, 2, ExpandAttention},
    {{kContributedDomain, "BiasAdd"}, 2, ExpandBiasAdd},
    {{kContributedDomain, "BiasGelu"}, 2, ExpandBiasGelu},
    {{kContributedDomain, "BiasSplitGelu"}, 2, ExpandBiasSplitGelu},
    {{kContributedDomain, "DequantizeLinear"}, 2, ExpandContributedDequantizeLinear},
    {{kContributedDomain, "DynamicQuantizeMatMul"}, 3, ExpandDynamicQuantizeMatMul},
    {{kContributedDomain, "EmbedLayerNormalization"}, 7, ExpandEmbedLayerNormalization},
    {{kContributedDomain, "FastGelu"}, 1, ExpandFastGelu},
    {{kContributedDomain, "FusedConv"}, 2, ExpandFusedConv},
    {{kContributedDomain, "FusedGemm"}, 2, ExpandFusedGemm},
    {{kContributedDomain, "GatherBlockQuantized"}, 3, ExpandGatherBlockQuantized},
    {{kContributedDomain, "Gelu"}, 1, ExpandGelu},
    {{kContributedDomain, "LayerNormalization"}, 2, ExpandLayerNormalization},
    {{kContributedDomain, "MatMulIntegerToFloat"}, 4, ExpandMatMulIntegerToFloat},
    {{kContributedDomain, "MatMulNBits"}, 3, ExpandMatMulNBits},
    {{kContributedDomain, "QAttention"}, 5, ExpandQAttention},
    {{kContributedDomain, "QGemm"}, 6, ExpandQGemm},
    {{kContributedDomain, "QLinearAdd"}, 7, ExpandQLinearAdd},
    {{kContributedDomain, "QLinearAveragePool"}, 4, ExpandQLinearAveragePool},
    {{kContributedDomain, "QLinearConcat"}, 5, ExpandQLinearConcat},
    {{kContributedDomain, "QLinearGlobalAveragePool"}, 4, ExpandQLinearGlobalAveragePool},
    {{kContributedDomain, "QLinearLeakyRelu"}, 4, ExpandQLinearLeakyRelu},
    {{kContributedDomain, "QLinearMul"}, 7, ExpandQLinearMul},
    {{kContributedDomain, "QLinearSigmoid"}, 4, ExpandQLinearSigmoid},
    {{kContributedDomain, "QLinearSoftmax"}, 4, ExpandQLinearSoftmax},
    {{kContributedDomain, "QLinearWhere"}, 8, ExpandQLinearWhere},
    {{kContributedDomain, "QuantizeLinear"}, 2, ExpandContributedQuantizeLinear},
    {{kContributedDomain, "QuickGelu"}, 1, ExpandQuickGelu},
    {{kContributedDomain, "SimplifiedLayerNormalization"}, 2, ExpandSimplifiedLayerNormalization},
    {{kContributedDomain, "SkipLayerNormalization"}, 3, ExpandSkipLayerNormalization},
    {{kContributedDomain, "SkipSimplifiedLayerNormalization"},
     3,
     ExpandSkipSimplifiedLayerNormalization},
});

constexpr auto kOrder = [](const ExpandedOperator& op) { return std::tuple(op.domain, op.name); };
static_assert(std::ranges::is_sorted(kRules, {}, [](const Rule& r) { return kOrder(r.op); }));

constexpr auto kNames = [] {
  std::array<ExpandedOperator, kRules.size()> names;
  std::ranges::transform(kRules, names.begin(), &Rule::op);
  return names;
}();

const Rule* FindRule(const ProgramNode& node) {
  const auto rule = std::ranges::find_if(
      kRules, [&](const Rule& r) { return r.op.name == node.op && r.op.domain == node.domain; });
  return rule == kRules.end() ? nullptr : &*rule;
}

bool HasInputs(const Rule& rule, const ProgramNode& node) {
  if (node.inputs.size() < rule.least_inputs || node.outputs.empty()) return false;
  // Of what is listed before the last input that is needed, only zero points, and segments of
  // embeddings, may be left out; those who read them see to it.
  return node.source != nullptr && node.inputs[0] != 0;
}

class Expander {
 public:
  Expander(Program& program, onnx::ExternalFiles& files) : program_(program), files_(files) {}

  void ExpandGraph(ProgramGraph& graph) {
    std::vector<ProgramNode> nodes;
    for (ProgramNode& node : graph.nodes) {
      for (ProgramGraph& subgraph : node.subgraphs) ExpandGraph(subgraph);
      const Rule* rule = FindRule(node);
      Composer composer(program_, files_, node);
      if (rule == nullptr || !HasInputs(*rule, node) || !rule->expand(composer)) {
        nodes.push_back(std::move(node));
        continue;
      }
      ++count_;
      for (ProgramNode& made : composer.TakeNodes()) nodes.push_back(std::move(made));
    }
    graph.nodes = std::move(nodes);
  }

  size_t count() const { return count_; }

 private:
  Program& program_;
  onnx::ExternalFiles& files_;
  size_t count_ = 0;
};

}  // namespace

std::span<const ExpandedOperator> ExpandedOperators() { return kNames; }

size_t Expand(Program& program, onnx::ExternalFiles& files) {
  Expander expander(program, files);
  expander.ExpandGraph(program.main);
  return expander.count();
}

}  // namespace ephemeralml::decompose
