#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/attention_inputs.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

using panels::ScoreStage;

struct StandardSettings {
  int64_t heads = 0;  // 0: as the four axes say
  int64_t key_heads = 0;
  float scale = 0;  // 0: one over the root of a head's columns
  float softcap = 0;
  bool is_causal = false;
  ScoreStage stage = ScoreStage::kProducts;
};

/// softmax(softcap(scale · Q·Kᵀ) + mask) · V. Shapes: Q [B, heads, S, D] or [B, S, heads * D], K
/// and V alike with key heads and L rows; mask broadcast to [B, heads, S, T], short of columns or
/// not; caches [B, key heads, P, D]; T = P + L; lengths [B]. Outputs: Y as Q, caches [B, key heads,
/// T, D], scores [B, heads, S, T]. A query that sees no key gets zeros. Types: float32;
/// softmax_precision changes nothing. Source: ONNX operator Attention, versions 23 and 24.
class StandardAttention final : public Kernel {
 public:
  explicit StandardAttention(const StandardSettings& settings) : settings_(settings) {}

  Done Run(KernelContext& context) const override {
    TRY(const HeadsView queries, ReadHeads(context, 0, settings_.heads));
    TRY(const HeadsView added_keys, ReadHeads(context, 1, settings_.key_heads));
    TRY(const HeadsView added_values, ReadHeads(context, 2, settings_.key_heads));
    if (context.HasInput(4) != context.HasInput(5)) {
      return InputInvalid("Attention: one cache without the other");
    }
    TRY_OK(FitHeads(queries, added_keys, added_values));
    TRY(const GrownHeads keys, Grow(context, added_keys, 4, 1));
    TRY(const GrownHeads values, Grow(context, added_values, 5, 2));
    TRY(const panels::AttentionShape shape, FitHeads(queries, keys.heads, values.heads));
    panels::AttentionOperands operands;
    operands.queries = queries.at;
    operands.keys = keys.heads.at;
    operands.values = values.heads.at;
    operands.softcap = settings_.softcap;
    operands.scale = settings_.scale != 0
                         ? settings_.scale
                         : 1.0f / std::sqrt(static_cast<float>(shape.head_columns));
    const bool is_flat = context.InputShape(0).size() == 3;
    TRY_OK(MakeOutputs(context, shape, is_flat, operands));
    if (operands.result.values == nullptr) return {};
    MaskView mask;
    if (context.HasInput(3)) {
      TRY(mask, ReadMask(context, 3, shape));
      operands.mask = mask.mask;
    }
    TRY(const Limits limits, ReadLimits(context, shape, shape.keys - added_keys.rows));
    if (!limits.counts.empty()) operands.limits.key_counts = limits.counts.data();
    if (settings_.is_causal) operands.limits.first_places = limits.firsts.data();
    return panels::Attend(context.threads(), context.arena(), shape, operands);
  }

 private:
  struct Limits {
    std::vector<int64_t> counts;
    std::vector<int64_t> firsts;
  };

  Done MakeOutputs(KernelContext& context, const panels::AttentionShape& shape, bool is_flat,
                   panels::AttentionOperands& operands) const {
    Shape y = {shape.batch, shape.heads, shape.queries, shape.value_columns};
    if (is_flat) y = {shape.batch, shape.queries, shape.heads * shape.value_columns};
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, y));
    if (context.WantsOutput(3)) {
      TRY(Tensor * scores, context.Output(3, ElementType::kFloat,
                                          {shape.batch, shape.heads, shape.queries, shape.keys}));
      operands.scores = scores->MutableValues<float>().data();
      operands.stage = settings_.stage;
    }
    const std::span<float> to = output->MutableValues<float>();
    if (to.empty()) return {};
    operands.result =
        is_flat ? panels::SideBySide(to.data(), shape.queries, shape.heads, shape.value_columns)
                : panels::HeadAfterHead(to.data(), shape.queries, shape.heads, shape.value_columns);
    return {};
  }

  // The last query stands at the last key that is there: after the cache, or at the end of a cache
  // of which each of the batch fills a part.
  Result<Limits> ReadLimits(KernelContext& context, const panels::AttentionShape& shape,
                            int64_t past) const {
    Limits limits;
    const auto batch = static_cast<size_t>(shape.batch);
    limits.firsts.assign(batch, past);
    if (!context.HasInput(6)) return limits;
    TRY(limits.counts, ReadIndexTensor(context, 6));
    const auto is_outside = [&](int64_t count) { return count < 0 || count > shape.keys; };
    if (limits.counts.size() != batch || std::ranges::any_of(limits.counts, is_outside)) {
      return InputInvalid("Attention: no length within the keys for each of the batch");
    }
    if (context.HasInput(4)) return limits;
    for (size_t i = 0; i < batch; ++i) limits.firsts[i] = limits.counts[i] - shape.queries;
    return limits;
  }

  StandardSettings settings_;
};

}  // namespace

MadeKernel MakeStandardAttention(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 7, .most_outputs = 4}));
  StandardSettings settings;
  TRY(settings.heads, node.attributes.Int("q_num_heads", 0));
  TRY(settings.key_heads, node.attributes.Int("kv_num_heads", 0));
  TRY(settings.scale, node.attributes.Float("scale", 0));
  TRY(settings.softcap, node.attributes.Float("softcap", 0));
  TRY(const int64_t causal, node.attributes.Int("is_causal", 0));
  TRY(const int64_t stage, node.attributes.Int("qk_matmul_output_mode", 0));
  TRY_OK(ReadTypeAttribute(node, "softmax_precision", ElementType::kFloat));
  if (settings.heads < 0 || settings.key_heads < 0) {
    return AttributeInvalid("Attention: a number of heads is negative");
  }
  if (stage < 0 || stage > 3) {
    return AttributeInvalid("Attention: qk_matmul_output_mode is none of the four");
  }
  if (!(settings.softcap >= 0)) return AttributeInvalid("Attention: softcap is negative");
  settings.is_causal = causal != 0;
  settings.stage = static_cast<ScoreStage>(stage);
  return std::make_unique<StandardAttention>(settings);
}

}  // namespace ephemeralml::engine::kernels
