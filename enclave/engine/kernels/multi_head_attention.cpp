#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "enclave/engine/kernels/attention_inputs.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

struct Settings {
  int64_t heads = 0;
  float scale = 0;  // 0: one over the root of a head's columns
  float filter = 0;
  bool is_causal = false;
};

enum Operand : size_t { kBias = 3, kPadding = 4, kScoreBias = 5, kPastKey = 6, kPastValue = 7 };

/// softmax(scale · Q·Kᵀ + padding + bias of scores) · V. Shapes: Q [B, S, heads * D]; K and V [B,
/// L, heads * D], or [B, heads, L, D] without a bias; or both in K, [B, L, heads, 2, D], or all in
/// Q, [B, S, heads, 3, D]; bias of Q, K and V side by side; padding [B] (lengths), [2 * B] (ends,
/// then starts), [B, T] or [B, S, T], whose zeros add mask_filter_value; bias of scores broadcast
/// to [B, heads, S, T]; caches [B, heads, P, D]; T = P + L. Outputs: Y [B, S, heads * D'], caches
/// [B, heads, T, D]. Types: float32. Source: ONNX Runtime's com.microsoft.MultiHeadAttention.
class MultiHeadAttention final : public Kernel {
 public:
  explicit MultiHeadAttention(const Settings& settings) : settings_(settings) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RefuseTheRest(context));
    std::array<GrownHeads, 3> parts;
    TRY_OK(ReadParts(context, parts));
    TRY_OK(FitHeads(parts[0].heads, parts[1].heads, parts[2].heads));
    TRY_OK(AddBias(context, parts));
    const int64_t added = parts[1].heads.rows;
    TRY(const GrownHeads keys, Grow(context, parts[1].heads, kPastKey, 1));
    TRY(const GrownHeads values, Grow(context, parts[2].heads, kPastValue, 2));
    TRY(const panels::AttentionShape shape, FitHeads(parts[0].heads, keys.heads, values.heads));
    TRY(Tensor * output,
        context.Output(0, ElementType::kFloat,
                       {shape.batch, shape.queries, shape.heads * shape.value_columns}));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    panels::AttentionOperands operands;
    operands.queries = parts[0].heads.at;
    operands.keys = keys.heads.at;
    operands.values = values.heads.at;
    operands.result = panels::SideBySide(y.data(), shape.queries, shape.heads, shape.value_columns);
    operands.scale = settings_.scale != 0
                         ? settings_.scale
                         : 1.0f / std::sqrt(static_cast<float>(shape.head_columns));
    TRY(const MaskView mask, ReadMasks(context, shape));
    operands.mask = mask.mask;
    const std::vector<int64_t> firsts(static_cast<size_t>(shape.batch), shape.keys - added);
    if (settings_.is_causal) operands.limits.first_places = firsts.data();
    return panels::Attend(context.threads(), context.arena(), shape, operands);
  }

 private:
  static Done RefuseTheRest(const KernelContext& context) {
    if (context.HasInput(8) || context.HasInput(9)) {
      return Error{Code::kUnsupported, "operator_unsupported",
                   "MultiHeadAttention: caches that are written in place aren't supported"};
    }
    if (context.HasInput(kPastKey) != context.HasInput(kPastValue)) {
      return InputInvalid("MultiHeadAttention: one cache without the other");
    }
    return {};
  }

  Done ReadParts(KernelContext& context, std::array<GrownHeads, 3>& parts) const {
    TRY_OK(RequireFloat(context, 0));
    if (context.InputShape(0).size() == 5) {
      for (size_t i = 0; i < 3; ++i) {
        TRY(parts[i].heads, ReadPacked(context, 0, i, 3));
      }
      return {};
    }
    TRY(parts[0].heads, ReadHeads(context, 0, settings_.heads));
    TRY_OK(RequireFloat(context, 1));
    if (context.InputShape(1).size() == 5) {
      for (size_t i = 0; i < 2; ++i) {
        TRY(parts[i + 1].heads, ReadPacked(context, 1, i, 2));
      }
      return {};
    }
    for (size_t i = 1; i < 3; ++i) {
      TRY(parts[i].heads, ReadHeads(context, i, settings_.heads));
      if (context.InputShape(i).size() == 4 && context.HasInput(kBias)) {
        return InputInvalid("MultiHeadAttention: a bias of keys that lie head after head");
      }
    }
    return {};
  }

  // One part of several that lie side by side within each head: [B, rows, heads, count, D].
  Result<HeadsView> ReadPacked(KernelContext& context, size_t input, size_t part,
                               int64_t count) const {
    const Shape& shape = context.InputShape(input);
    if (shape[2] != settings_.heads || shape[3] != count) {
      return ShapeInvalid("MultiHeadAttention: a packed operand hasn't these heads or parts");
    }
    TRY(const TensorView view, context.Input(input));
    HeadsView read = {{}, shape[0], shape[2], shape[1], shape[4]};
    // Of an empty tensor the other sizes may be absurd.
    if (view.bytes.empty()) return read;
    const int64_t head = count * shape[4];
    const int64_t row = shape[2] * head;
    read.at = {view.Values<float>().data() + static_cast<int64_t>(part) * shape[4], shape[1] * row,
               head, row};
    return read;
  }

  static Done AddBias(KernelContext& context, std::array<GrownHeads, 3>& parts) {
    if (!context.HasInput(kBias)) return {};
    TRY_OK(RequireFloat(context, kBias));
    TRY(const TensorView bias, context.Input(kBias));
    const std::span<const float> values = bias.Values<float>();
    size_t first = 0;
    for (GrownHeads& part : parts) {
      HeadsView& heads = part.heads;
      const auto columns = static_cast<size_t>(heads.heads * heads.columns);
      if (values.size() - first < columns) {
        return ShapeInvalid("MultiHeadAttention: the bias is too short");
      }
      const float* of_part = values.data() + first;
      first += columns;
      TRY(const size_t bytes,
          ByteCount(ElementType::kFloat, {heads.batch, heads.heads, heads.rows, heads.columns}));
      if (bytes == 0) continue;
      TRY(part.scratch, context.Scratch(bytes));
      auto* sums = reinterpret_cast<float*>(part.scratch->bytes().data());
      const auto to = panels::HeadAfterHead(sums, heads.rows, heads.heads, heads.columns);
      CopyRows(context.threads(), heads, to, 0);
      for (int64_t i = 0; i < heads.batch * heads.heads * heads.rows; ++i) {
        const float* added = of_part + i / heads.rows % heads.heads * heads.columns;
        for (int64_t c = 0; c < heads.columns; ++c) sums[i * heads.columns + c] += added[c];
      }
      heads.at = {sums, to.batch_stride, to.head_stride, to.row_stride};
    }
    return first == values.size() ? Done()
                                  : Done(ShapeInvalid("MultiHeadAttention: the bias is too long"));
  }

  // Padding and the bias of scores, in one.
  Result<MaskView> ReadMasks(KernelContext& context, const panels::AttentionShape& shape) const {
    MaskView bias;
    if (context.HasInput(kScoreBias)) {
      TRY(bias, ReadMask(context, kScoreBias, shape));
    }
    if (!context.HasInput(kPadding)) return bias;
    TRY(const std::vector<float> padding, ReadPadding(context, shape));
    const bool by_row = context.InputShape(kPadding).size() == 3;
    const int64_t heads = bias.mask.head_stride == 0 ? 1 : shape.heads;
    const Shape full = {shape.batch, heads, shape.queries, shape.keys};
    TRY(const size_t bytes, ByteCount(ElementType::kFloat, full));
    MaskView both;
    TRY(both.scratch, context.Scratch(bytes));
    auto* values = reinterpret_cast<float*>(both.scratch->bytes().data());
    both.mask = {values, heads * shape.queries * shape.keys,
                 heads == 1 ? 0 : shape.queries * shape.keys, shape.keys};
    for (int64_t i = 0; i < shape.batch * heads * shape.queries; ++i) {
      const int64_t row = i % shape.queries;
      const int64_t head = i / shape.queries % heads;
      const int64_t batch = i / shape.queries / heads;
      const float* hidden =
          padding.data() + (by_row ? batch * shape.queries + row : batch) * shape.keys;
      const float* added = nullptr;
      if (bias.mask.values != nullptr) {
        added = bias.mask.values + batch * bias.mask.batch_stride + head * bias.mask.head_stride +
                row * bias.mask.query_stride;
      }
      for (int64_t key = 0; key < shape.keys; ++key) {
        values[i * shape.keys + key] = hidden[key] + (added == nullptr ? 0 : added[key]);
      }
    }
    return both;
  }

  // What is added to the scores of keys that don't count: [B, T] or [B, S, T].
  Result<std::vector<float>> ReadPadding(KernelContext& context,
                                         const panels::AttentionShape& shape) const {
    const Shape given_shape = context.InputShape(kPadding);
    TRY(const std::vector<int64_t> given, ReadIndexTensor(context, kPadding));
    std::vector<float> padding;
    if (given_shape == Shape{shape.batch, shape.keys} ||
        given_shape == Shape{shape.batch, shape.queries, shape.keys}) {
      for (const int64_t counts : given) padding.push_back(counts > 0 ? 0 : settings_.filter);
      return padding;
    }
    const bool has_starts = given_shape == Shape{2 * shape.batch};
    if (!has_starts && given_shape != Shape{shape.batch}) {
      return ShapeInvalid("MultiHeadAttention: the padding has another shape");
    }
    for (int64_t batch = 0; batch < shape.batch; ++batch) {
      const int64_t end = given[static_cast<size_t>(batch)];
      const int64_t start = has_starts ? given[static_cast<size_t>(shape.batch + batch)] : 0;
      for (int64_t key = 0; key < shape.keys; ++key) {
        padding.push_back(key >= start && key < end ? 0 : settings_.filter);
      }
    }
    return padding;
  }

  Settings settings_;
};

}  // namespace

MadeKernel MakeMultiHeadAttention(const NodeSpec& node) {
  constexpr float kFilter = -10000;
  TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = 10, .most_outputs = 3}));
  Settings settings;
  TRY(settings.heads, node.attributes.RequiredInt("num_heads"));
  TRY(settings.scale, node.attributes.Float("scale", 0));
  TRY(settings.filter, node.attributes.Float("mask_filter_value", kFilter));
  TRY(const int64_t causal, node.attributes.Int("unidirectional", 0));
  if (settings.heads < 1) return AttributeInvalid("MultiHeadAttention: num_heads isn't positive");
  settings.is_causal = causal != 0;
  return std::make_unique<MultiHeadAttention>(settings);
}

}  // namespace ephemeralml::engine::kernels
