#include <algorithm>
#include <cmath>

#include "common/base/checked.h"
#include "enclave/engine/kernels/attention_inputs.h"
#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/rotary.h"

namespace ephemeralml::engine::kernels {
namespace {

struct GroupSettings {
  int64_t heads = 0;
  int64_t key_heads = 0;
  float scale = 0;  // 0: one over the root of a head's columns
  float softcap = 0;
  int64_t window = 0;  // 0: any number of keys
  bool rotates = false;
  bool is_interleaved = false;
  bool is_smooth = false;
};

enum Operand : size_t {
  kPastKey = 3,
  kPastValue = 4,
  kLengths = 5,
  kTotal = 6,
  kCosines = 7,
  kSines = 8,
  kPlaces = 9,
  kScoreBias = 10,
  kSinks = 11,
};

// How many keys there are, with those that are added.
struct Lengths {
  int64_t total = 0;            // of the longest
  std::vector<int64_t> counts;  // of each of the batch
  std::vector<int64_t> firsts;  // where the added ones begin
};

/// softmax(softcap(scale · Q·Kᵀ) + bias) · V over the keys up to a query's own, with a cache.
/// Shapes: Q [B, S, heads * D], K and V [B, S, key heads * D], or all side by side in Q; caches [B,
/// key heads, P, D]; lengths [B], each less by one; the total, a scalar; tables [places, D / 2] or
/// fewer columns; places [B, S]; bias broadcast to [B, heads, S, total]; sinks [heads]. Outputs: Y
/// as Q, caches [B, key heads, the greater of P and total, D]. Types: float32. Source: ONNX
/// Runtime's com.microsoft.GroupQueryAttention, without quantized and sliding caches.
class GroupQueryAttention final : public Kernel {
 public:
  explicit GroupQueryAttention(const GroupSettings& settings) : settings_(settings) {}

  Done Run(KernelContext& context) const override {
    HeadsView queries;
    HeadsView added_keys;
    HeadsView added_values;
    TRY_OK(ReadParts(context, queries, added_keys, added_values));
    TRY(panels::AttentionShape shape, FitHeads(queries, added_keys, added_values));
    if (added_keys.rows != queries.rows || added_values.columns != added_keys.columns) {
      return ShapeInvalid("GroupQueryAttention: queries, keys and values don't fit");
    }
    TRY(Tensor * output,
        context.Output(0, ElementType::kFloat,
                       {shape.batch, shape.queries, shape.heads * shape.head_columns}));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return ShapeInvalid("GroupQueryAttention: no queries");
    TRY(const Lengths lengths, ReadLengths(context, shape));
    std::optional<ArenaBlock> rotated[2];
    if (settings_.rotates) {
      TRY_OK(RotateBoth(context, lengths, queries, added_keys, rotated));
    }
    TRY(const GrownHeads keys, Place(context, added_keys, lengths, kPastKey, 1));
    TRY(const GrownHeads values, Place(context, added_values, lengths, kPastValue, 2));
    shape.keys = lengths.total;
    panels::AttentionOperands operands;
    operands.queries = queries.at;
    operands.keys = keys.heads.at;
    operands.values = values.heads.at;
    operands.result = panels::SideBySide(y.data(), shape.queries, shape.heads, shape.value_columns);
    operands.limits = {lengths.counts.data(), lengths.firsts.data(), settings_.window};
    operands.softcap = settings_.softcap;
    operands.scale = settings_.scale != 0
                         ? settings_.scale
                         : 1.0f / std::sqrt(static_cast<float>(shape.head_columns));
    MaskView mask;
    if (context.HasInput(kScoreBias)) {
      TRY(mask, ReadMask(context, kScoreBias, shape));
      operands.mask = mask.mask;
    }
    TRY(const std::vector<float> sinks, ReadSinks(context));
    if (!sinks.empty()) operands.sinks = sinks.data();
    return panels::Attend(context.threads(), context.arena(), shape, operands);
  }

 private:
  Done ReadParts(KernelContext& context, HeadsView& queries, HeadsView& keys,
                 HeadsView& values) const {
    for (size_t i = kSinks + 1; i < context.input_count(); ++i) {
      if (!context.HasInput(i)) continue;
      return Error{Code::kUnsupported, "operator_unsupported",
                   "GroupQueryAttention: scales of caches and weights of norms aren't supported"};
    }
    if (context.HasInput(1) != context.HasInput(2) ||
        context.HasInput(kPastKey) != context.HasInput(kPastValue)) {
      return InputInvalid("GroupQueryAttention: keys without values, or values without keys");
    }
    if (context.HasInput(1)) {
      TRY(queries, ReadHeads(context, 0, settings_.heads));
      TRY(keys, ReadHeads(context, 1, settings_.key_heads));
      TRY(values, ReadHeads(context, 2, settings_.key_heads));
      return {};
    }
    const int64_t heads = settings_.heads + 2 * settings_.key_heads;
    TRY(const HeadsView all, ReadHeads(context, 0, heads));
    queries = keys = values = all;
    queries.heads = settings_.heads;
    keys.heads = values.heads = settings_.key_heads;
    if (all.at.values == nullptr) return {};
    keys.at.values += queries.heads * all.at.head_stride;
    values.at.values = keys.at.values + keys.heads * all.at.head_stride;
    return {};
  }

  static Result<Lengths> ReadLengths(KernelContext& context, const panels::AttentionShape& shape) {
    Lengths lengths;
    TRY(const std::vector<int64_t> total, ReadIntegers(context, kTotal, 1));
    TRY(lengths.counts, ReadIndexTensor(context, kLengths));
    if (total.size() != 1 || lengths.counts.size() != static_cast<size_t>(shape.batch)) {
      return InputInvalid("GroupQueryAttention: no total length, or none for each of the batch");
    }
    lengths.total = total[0];
    if (lengths.total < shape.queries) {
      return InputInvalid("GroupQueryAttention: the total length is less than what is added");
    }
    const bool is_first = lengths.total == shape.queries;
    for (int64_t& count : lengths.counts) {
      if (count < 0 || count >= lengths.total) {
        return InputInvalid("GroupQueryAttention: a length lies outside the total");
      }
      ++count;
      lengths.firsts.push_back(is_first ? 0 : count - shape.queries);
      if (lengths.firsts.back() < 0) {
        return InputInvalid("GroupQueryAttention: a length is less than what is added");
      }
    }
    return lengths;
  }

  Done RotateBoth(KernelContext& context, const Lengths& lengths, HeadsView& queries,
                  HeadsView& keys, std::optional<ArenaBlock>* blocks) const {
    if (!context.HasInput(kCosines) || !context.HasInput(kSines)) {
      return InputInvalid("GroupQueryAttention: rotation without its tables");
    }
    TRY(const Rotation rotation, ReadRotation(context, kCosines, kSines, settings_.is_interleaved));
    if (2 * rotation.pairs > queries.columns) {
      return ShapeInvalid("GroupQueryAttention: the tables have too many columns");
    }
    TRY(const std::vector<int64_t> places, ReadPlaces(context, lengths, queries, rotation));
    HeadsView* const parts[] = {&queries, &keys};
    for (size_t i = 0; i < 2; ++i) {
      HeadsView& part = *parts[i];
      TRY(const size_t bytes,
          ByteCount(ElementType::kFloat, {part.batch, part.heads, part.rows, part.columns}));
      TRY(blocks[i], context.Scratch(bytes));
      auto* values = reinterpret_cast<float*>(blocks[i]->bytes().data());
      const auto to = panels::HeadAfterHead(values, part.rows, part.heads, part.columns);
      Rotate(context.threads(), rotation,
             {part.batch, part.heads, part.rows, part.columns, part.at, to, places});
      part.at = {values, to.batch_stride, to.head_stride, to.row_stride};
    }
    return {};
  }

  static Result<std::vector<int64_t>> ReadPlaces(KernelContext& context, const Lengths& lengths,
                                                 const HeadsView& queries,
                                                 const Rotation& rotation) {
    std::vector<int64_t> places;
    if (context.HasInput(kPlaces)) {
      if (context.InputShape(kPlaces) != Shape{queries.batch, queries.rows}) {
        return ShapeInvalid("GroupQueryAttention: no place for each query");
      }
      TRY(places, ReadIndexTensor(context, kPlaces));
    } else {
      for (size_t batch = 0; batch < lengths.counts.size(); ++batch) {
        for (int64_t row = 0; row < queries.rows; ++row) {
          // Rows beyond the end are padding, whatever their place.
          const int64_t place = lengths.firsts[batch] + row;
          places.push_back(place < lengths.counts[batch] ? place : 0);
        }
      }
    }
    const auto is_outside = [&](int64_t at) { return at < 0 || at >= rotation.places; };
    if (std::ranges::any_of(places, is_outside)) {
      return InputInvalid("GroupQueryAttention: a place lies outside the tables");
    }
    return places;
  }

  // The cache with what is added to it, each of the batch from its own place on.
  static Result<GrownHeads> Place(KernelContext& context, const HeadsView& added,
                                  const Lengths& lengths, size_t past, size_t present) {
    GrownHeads grown = {added, std::nullopt};
    HeadsView before;
    if (context.HasInput(past)) {
      if (context.InputShape(past).size() != 4) {
        return ShapeInvalid("GroupQueryAttention: a cache hasn't four axes");
      }
      TRY(before, ReadHeads(context, past, added.heads));
      if (before.batch != added.batch || before.columns != added.columns) {
        return ShapeInvalid("GroupQueryAttention: a cache doesn't fit what is added to it");
      }
    }
    if (*std::ranges::max_element(lengths.firsts) > before.rows) {
      return InputInvalid("GroupQueryAttention: a length exceeds the cache");
    }
    grown.heads.rows = std::max(before.rows, lengths.total);
    const Shape shape = {added.batch, added.heads, grown.heads.rows, added.columns};
    float* values = nullptr;
    if (context.WantsOutput(present)) {
      TRY(Tensor * output, context.Output(present, ElementType::kFloat, shape));
      values = output->MutableValues<float>().data();
    } else {
      TRY(const size_t bytes, ByteCount(ElementType::kFloat, shape));
      TRY(grown.scratch, context.Scratch(bytes));
      values = reinterpret_cast<float*>(grown.scratch->bytes().data());
      std::fill_n(values, bytes / sizeof(float), 0.0f);
    }
    const auto to = panels::HeadAfterHead(values, grown.heads.rows, added.heads, added.columns);
    for (int64_t batch = 0; batch < added.batch; ++batch) {
      const int64_t first = lengths.firsts[static_cast<size_t>(batch)];
      CopyOne(context.threads(), before, batch, first, to, 0);
      CopyOne(context.threads(), added, batch, added.rows, to, first);
    }
    grown.heads.at = {values, to.batch_stride, to.head_stride, to.row_stride};
    return grown;
  }

  // Copies `rows` rows of one of the batch.
  static void CopyOne(Threads& threads, HeadsView from, int64_t batch, int64_t rows,
                      panels::HeadRows<float> to, int64_t first) {
    if (rows == 0) return;
    from.at.values = from.at.At(batch, 0, 0);
    to.values = to.At(batch, 0, 0);
    from.batch = 1;
    from.rows = rows;
    CopyRows(threads, from, to, first);
  }

  Result<std::vector<float>> ReadSinks(KernelContext& context) const {
    const auto heads = static_cast<size_t>(settings_.heads);
    if (!context.HasInput(kSinks)) {
      return settings_.is_smooth ? std::vector<float>(heads) : std::vector<float>();
    }
    TRY_OK(RequireFloat(context, kSinks));
    TRY(const TensorView view, context.Input(kSinks));
    const std::span<const float> values = view.Values<float>();
    if (values.size() != heads) return ShapeInvalid("GroupQueryAttention: no sink for each head");
    return std::vector<float>(values.begin(), values.end());
  }

  GroupSettings settings_;
};

Done RefuseOtherCaches(const NodeSpec& node) {
  TRY(const std::string keys, node.attributes.String("k_quant_type", "NONE"));
  TRY(const std::string values, node.attributes.String("v_quant_type", "NONE"));
  TRY(const int64_t slides, node.attributes.Int("sliding_window_cache", 0));
  TRY(const int64_t causal, node.attributes.Int("causal", 1));
  TRY(const int64_t scores, node.attributes.Int("qk_output", 0));
  if (keys == "NONE" && values == "NONE" && slides == 0 && causal == 1 && scores == 0) return {};
  return Error{
      Code::kUnsupported, "operator_unsupported",
      "GroupQueryAttention: quantized or sliding caches, scores as an output and later keys "
      "aren't supported"};
}

}  // namespace

MadeKernel MakeGroupQueryAttention(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 7, .most_inputs = 16, .most_outputs = 3}));
  TRY_OK(RefuseOtherCaches(node));
  GroupSettings settings;
  TRY(settings.heads, node.attributes.RequiredInt("num_heads"));
  TRY(settings.key_heads, node.attributes.RequiredInt("kv_num_heads"));
  TRY(settings.scale, node.attributes.Float("scale", 0));
  TRY(settings.softcap, node.attributes.Float("softcap", 0));
  TRY(const int64_t window, node.attributes.Int("local_window_size", -1));
  TRY(const int64_t rotates, node.attributes.Int("do_rotary", 0));
  TRY(const int64_t interleaved, node.attributes.Int("rotary_interleaved", 0));
  TRY(const int64_t smooth, node.attributes.Int("smooth_softmax", 0));
  constexpr int64_t kMostHeads = int64_t{1} << 20;
  if (settings.heads < 1 || settings.heads > kMostHeads || settings.key_heads < 1 ||
      settings.heads % settings.key_heads != 0) {
    return AttributeInvalid("GroupQueryAttention: the heads don't share the keys' evenly");
  }
  if (!(settings.softcap >= 0)) return AttributeInvalid("GroupQueryAttention: softcap is negative");
  settings.window = std::max<int64_t>(window, 0);
  settings.rotates = rotates != 0;
  settings.is_interleaved = interleaved != 0;
  settings.is_smooth = smooth != 0;
  return std::make_unique<GroupQueryAttention>(settings);
}

}  // namespace ephemeralml::engine::kernels
