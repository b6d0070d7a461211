#include <algorithm>
#include <array>
#include <cmath>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

enum Operand : size_t { kQuery, kKey, kValue, kPast, kDecay, kBeta, kEraseGate, kOperands };

struct LinearAttentionSettings {
  int64_t query_heads = 0;
  int64_t heads = 0;  // of values and states
  bool decays = false;
  bool corrects = false;
  float scale = 0;  // 0: one over the root of a key's columns
  bool shares_freely =
      false;  // fewer heads of queries and keys than states, as ONNX Runtime has it
};

// What one run reads, as float32, and its sizes.
struct LinearAttentionRun {
  std::array<const float*, kOperands> in = {};
  int64_t batch = 0;
  int64_t length = 0;
  int64_t query_heads = 0;
  int64_t key_heads = 0;
  int64_t heads = 0;
  int64_t key_columns = 0;
  int64_t value_columns = 0;
  int64_t decay_columns = 0;  // of a head: 1 or as a key's
  int64_t beta_columns = 0;   // of a step: 1 or one a head
  float scale = 1;
  float* y = nullptr;
  float* states = nullptr;

  // Rows of Y are as many heads.
  int64_t output_heads() const { return std::max(query_heads, heads); }
};

// state = exp(decay) * state, row by row or all alike.
void Decay(const LinearAttentionRun& r, const float* decay, float* state) {
  for (int64_t i = 0; i < r.key_columns; ++i) {
    const float factor = std::exp(decay[r.decay_columns == 1 ? 0 : i]);
    float* row = state + i * r.value_columns;
    for (int64_t j = 0; j < r.value_columns; ++j) row[j] *= factor;
  }
}

// out = left · state.
void Retrieve(const LinearAttentionRun& r, const float* left, const float* state, float* out) {
  std::fill_n(out, r.value_columns, 0.0F);
  for (int64_t i = 0; i < r.key_columns; ++i) {
    const float* row = state + i * r.value_columns;
    for (int64_t j = 0; j < r.value_columns; ++j) out[j] += left[i] * row[j];
  }
}

// Room for a value and a key.
struct HeadScratch {
  float* written = nullptr;
  float* erased = nullptr;
};

// What is written for a value: beta times how far it is from what its key finds in the state.
const float* Correct(const LinearAttentionRun& r, int64_t step, int64_t head, const float* key,
                     const float* value, const float* state, const HeadScratch& scratch) {
  if (r.in[kEraseGate] != nullptr) {
    const float* gate = r.in[kEraseGate] + (step * r.heads + head) * r.key_columns;
    for (int64_t i = 0; i < r.key_columns; ++i) scratch.erased[i] = gate[i] * key[i];
    key = scratch.erased;
  }
  Retrieve(r, key, state, scratch.written);
  const float beta = r.in[kBeta][step * r.beta_columns + (r.beta_columns == 1 ? 0 : head)];
  for (int64_t j = 0; j < r.value_columns; ++j) {
    scratch.written[j] = beta * (value[j] - scratch.written[j]);
  }
  return scratch.written;
}

// One state through all steps of its sequence.
void RunHead(const LinearAttentionRun& r, int64_t b, int64_t head, const HeadScratch& scratch) {
  float* state = r.states + (b * r.heads + head) * r.key_columns * r.value_columns;
  const int64_t key_head = head * r.key_heads / r.heads;
  const int64_t readers = std::max<int64_t>(r.query_heads / r.heads, 1);
  for (int64_t t = 0; t < r.length; ++t) {
    const int64_t step = b * r.length + t;
    const float* key = r.in[kKey] + (step * r.key_heads + key_head) * r.key_columns;
    const float* value = r.in[kValue] + (step * r.heads + head) * r.value_columns;
    if (r.in[kDecay] != nullptr) {
      Decay(r, r.in[kDecay] + (step * r.heads + head) * r.decay_columns, state);
    }
    if (r.in[kBeta] != nullptr) value = Correct(r, step, head, key, value, state, scratch);
    for (int64_t i = 0; i < r.key_columns; ++i) {
      float* row = state + i * r.value_columns;
      for (int64_t j = 0; j < r.value_columns; ++j) row[j] += key[i] * value[j];
    }
    for (int64_t reader = 0; reader < readers; ++reader) {
      const int64_t place = head * readers + reader;
      const int64_t query_head = place * r.query_heads / r.output_heads();
      const float* query = r.in[kQuery] + (step * r.query_heads + query_head) * r.key_columns;
      float* out = r.y + (step * r.output_heads() + place) * r.value_columns;
      Retrieve(r, query, state, out);
      for (int64_t j = 0; j < r.value_columns; ++j) out[j] *= r.scale;
    }
  }
}

/// Attention whose keys and values are summed up in a state of fixed size, which decays, and from
/// which what a key brought before may be taken out again. Types: float32, float16, bfloat16, each
/// input of its own; the state is summed in float32. Shapes: query [B, T, query heads * K], key
/// [B, T, heads * K], value [B, T, heads * V], states [B, heads, K, V], decay [B, T, heads] or as
/// key, beta [B, T, heads] or [B, T, 1], erase gate as key; Y [B, T, query heads * V]. Source: ONNX
/// operator LinearAttention, version 27; ONNX Runtime's of the same name, where fewer heads of
/// queries or keys may serve many states.
class LinearAttention final : public Kernel {
 public:
  explicit LinearAttention(const LinearAttentionSettings& settings) : settings_(settings) {}

  Done Run(KernelContext& context) const override {
    TRY(LinearAttentionRun run, ReadSizes(context));
    std::array<ArenaBlock, kOperands> lent;
    for (size_t i = 0; i < kOperands; ++i) {
      if (!Has(context, i)) continue;
      TRY(run.in[i], ReadFloats(context, i, lent[i]));
    }
    const ElementType type = context.InputType(kQuery);
    const ElementType state_type = Has(context, kPast) ? context.InputType(kPast) : type;
    const Shape y_shape = {run.batch, run.length, run.output_heads() * run.value_columns};
    const Shape state_shape = StateShape(run);
    TRY(Tensor y, Tensor::Create(context.arena(), ElementType::kFloat, y_shape));
    TRY(Tensor states, Tensor::Create(context.arena(), ElementType::kFloat, state_shape));
    run.y = y.MutableValues<float>().data();
    run.states = states.MutableValues<float>().data();
    if (run.in[kPast] != nullptr) {
      std::copy_n(run.in[kPast], states.byte_count() / sizeof(float), run.states);
    }
    TRY_OK(RunHeads(context, run));
    TRY_OK(Give(context, 0, type, std::move(y)));
    return context.WantsOutput(1) ? Give(context, 1, state_type, std::move(states)) : Done{};
  }

 private:
  static bool Has(KernelContext& context, size_t index) {
    return index < context.input_count() && context.HasInput(index);
  }
  static Shape StateShape(const LinearAttentionRun& run) {
    return {run.batch, run.heads, run.key_columns, run.value_columns};
  }

  static Done RunHeads(KernelContext& context, const LinearAttentionRun& run) {
    const int64_t scratch = run.key_columns + run.value_columns;
    TRY(ArenaBlock block,
        context.Scratch(context.threads().count() * static_cast<size_t>(scratch) * sizeof(float)));
    auto* rows = reinterpret_cast<float*>(block.bytes().data());
    const int64_t states = run.batch * run.heads;
    const auto parts = static_cast<int64_t>(context.threads().count());
    context.threads().ParallelFor(static_cast<size_t>(parts), 1, [&](size_t begin, size_t end) {
      for (auto part = static_cast<int64_t>(begin); part < static_cast<int64_t>(end); ++part) {
        float* written = rows + part * scratch;
        const HeadScratch room{written, written + run.value_columns};
        for (int64_t i = states * part / parts; i < states * (part + 1) / parts; ++i) {
          RunHead(run, i / run.heads, i % run.heads, room);
        }
      }
    });
    return {};
  }

  // An input's elements as float32; `lent` keeps them if they had to be converted.
  static Result<const float*> ReadFloats(KernelContext& context, size_t index, ArenaBlock& lent) {
    TRY(const TensorView view, context.Input(index));
    if (view.type == ElementType::kFloat) return view.Values<float>().data();
    if (view.type != ElementType::kFloat16 && view.type != ElementType::kBfloat16) {
      return TypeUnsupported(view.type);
    }
    TRY(const size_t bytes, ByteCount(ElementType::kFloat, view.shape));
    TRY(lent, context.Scratch(bytes));
    TRY_OK(ConvertElements(context.threads(), view, ElementType::kFloat, lent.bytes()));
    return reinterpret_cast<const float*>(lent.bytes().data());
  }

  static Done Give(KernelContext& context, size_t index, ElementType type, Tensor values) {
    if (type == ElementType::kFloat) {
      context.SetOutput(index, std::move(values));
      return {};
    }
    TRY(Tensor * output, context.Output(index, type, values.shape()));
    return ConvertElements(context.threads(), values.View(), type, output->MutableBytes());
  }

  Result<LinearAttentionRun> ReadSizes(KernelContext& context) const {
    for (const size_t i : {kQuery, kKey, kValue}) {
      TRY_OK(RequireInput(context, i));
      if (context.InputShape(i).size() != 3) {
        return ShapeInvalid("LinearAttention: query, key or value hasn't three axes");
      }
    }
    const Shape& query = context.InputShape(kQuery);
    const Shape& key = context.InputShape(kKey);
    const Shape& value = context.InputShape(kValue);
    LinearAttentionRun run;
    run.batch = query[0];
    run.length = query[1];
    run.query_heads = settings_.query_heads;
    run.heads = settings_.heads;
    run.key_columns = query[2] / run.query_heads;
    run.value_columns = value[2] / run.heads;
    if (query[2] % run.query_heads != 0 || value[2] % run.heads != 0 || run.key_columns == 0 ||
        run.value_columns == 0 || key[2] % run.key_columns != 0) {
      return ShapeInvalid("LinearAttention: columns aren't those of heads");
    }
    run.key_heads = key[2] / run.key_columns;
    const bool is_shared = settings_.shares_freely && run.key_heads > 0
                               ? run.heads % run.key_heads == 0
                               : run.key_heads == run.heads;
    const bool fits = key[0] == run.batch && value[0] == run.batch && key[1] == run.length &&
                      value[1] == run.length;
    if (!fits || !is_shared) return ShapeInvalid("LinearAttention: key or value don't fit");
    run.scale = settings_.scale != 0 ? settings_.scale
                                     : 1.0F / std::sqrt(static_cast<float>(run.key_columns));
    TRY_OK(CheckOptional(context, run));
    return run;
  }

  Done CheckOptional(KernelContext& context, LinearAttentionRun& run) const {
    if (Has(context, kDecay) != settings_.decays || Has(context, kBeta) != settings_.corrects ||
        (Has(context, kEraseGate) && !settings_.corrects)) {
      return InputInvalid("LinearAttention: not the inputs that the update rule takes");
    }
    const auto columns = [&](size_t index) -> int64_t {
      const Shape& shape = context.InputShape(index);
      const bool fits = shape.size() == 3 && shape[0] == run.batch && shape[1] == run.length;
      return fits ? shape[2] : -1;
    };
    bool fits = !Has(context, kPast) || context.InputShape(kPast) == StateShape(run);
    if (settings_.decays) {
      run.decay_columns = columns(kDecay) == run.heads ? 1 : run.key_columns;
      fits = fits && columns(kDecay) == run.heads * run.decay_columns;
    }
    if (settings_.corrects) {
      run.beta_columns = columns(kBeta);
      fits = fits && (run.beta_columns == run.heads || run.beta_columns == 1);
    }
    if (Has(context, kEraseGate)) {
      fits = fits && columns(kEraseGate) == run.heads * run.key_columns;
    }
    if (fits) return {};
    return ShapeInvalid("LinearAttention: state, decay, beta or gate don't fit");
  }

  LinearAttentionSettings settings_;
};

}  // namespace

MadeKernel MakeLinearAttention(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = kOperands, .most_outputs = 2}));
  LinearAttentionSettings settings;
  TRY(settings.query_heads, node.attributes.RequiredInt("q_num_heads"));
  TRY(settings.heads, node.attributes.RequiredInt("kv_num_heads"));
  TRY(settings.scale, node.attributes.Float("scale", 0));
  TRY(const std::string rule, node.attributes.String("update_rule", "gated_delta"));
  const std::string_view name = rule;
  if (name != "linear" && name != "gated" && name != "delta" && name != "gated_delta") {
    return AttributeInvalid("LinearAttention: attribute 'update_rule' isn't known");
  }
  settings.decays = name.starts_with("gated");
  settings.corrects = name.ends_with("delta");
  settings.shares_freely = !node.domain.empty();
  const int64_t queries = settings.query_heads;
  const int64_t heads = settings.heads;
  if (queries < 1 || heads < 1 ||
      (queries % heads != 0 && (!settings.shares_freely || heads % queries != 0))) {
    return AttributeInvalid("LinearAttention: the numbers of heads don't fit");
  }
  return std::make_unique<LinearAttention>(settings);
}

}  // namespace ephemeralml::engine::kernels
