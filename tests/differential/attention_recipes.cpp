// Attention, of ai.onnx and of ONNX Runtime's own domain.

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddInt;
using decompose::testing::AddString;

constexpr const char* kDomain = "com.microsoft";
const Value kNone = {"", ElementType::kFloat, std::nullopt};

Value Floats(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape);
}

struct Sizes {
  int64_t batch = Draw(1, 2);
  int64_t key_heads = Draw(1, 3);
  int64_t group = OneOf<int64_t>({1, 1, 2, 3});
  int64_t queries = Draw(1, 5);
  int64_t added = Draw(1, 5);
  int64_t past = Chance(40) ? Draw(1, 4) : 0;
  int64_t columns = 2 * Draw(1, 5);

  int64_t heads() const { return key_heads * group; }
  int64_t keys() const { return past + added; }
};

void AddStandard(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Sizes s;
  const int64_t value_columns = Draw(1, 6);
  const bool is_flat = Chance(50);
  const auto heads = [&](int64_t count, int64_t rows, int64_t columns) {
    return Floats(maker, is_flat ? Shape{s.batch, rows, count * columns}
                                 : Shape{s.batch, count, rows, columns});
  };
  std::vector<Value> inputs = {heads(s.heads(), s.queries, s.columns),
                               heads(s.key_heads, s.added, s.columns),
                               heads(s.key_heads, s.added, value_columns)};
  // ONNX Runtime lets a single query after a cache see all that is added.
  const bool is_causal = (s.past == 0 || s.queries > 1) && Chance(40);
  if (Chance(50)) {
    Shape mask = {s.queries, s.keys()};
    if (Chance(60)) mask.insert(mask.begin(), Chance(50) ? s.heads() : 1);
    if (mask.size() == 3 && Chance(60)) mask.insert(mask.begin(), Chance(50) ? s.batch : 1);
    // Of bools a row could hide all keys, where ONNX Runtime and ONNX differ.
    inputs.push_back(Floats(maker, mask));
  } else {
    inputs.push_back(kNone);
  }
  const bool has_past = s.past > 0;
  if (has_past) {
    inputs.push_back(Floats(maker, {s.batch, s.key_heads, s.past, s.columns}));
    inputs.push_back(Floats(maker, {s.batch, s.key_heads, s.past, value_columns}));
  }
  const Shape y = is_flat ? Shape{s.batch, s.queries, s.heads() * value_columns}
                          : Shape{s.batch, s.heads(), s.queries, value_columns};
  const bool has_lengths = maker.opset() >= 24 && !has_past && !is_causal && Chance(40);
  if (has_lengths) {
    inputs.insert(inputs.end(), {kNone, kNone});
    inputs.push_back(
        maker.Fresh(ElementType::kInt64, {s.batch}, {1, static_cast<double>(s.keys())}));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, y);
  if (has_past || Chance(30)) {
    maker.Output(node, ElementType::kFloat, Shape{s.batch, s.key_heads, s.keys(), s.columns});
    maker.Output(node, ElementType::kFloat, Shape{s.batch, s.key_heads, s.keys(), value_columns});
    // What hides a key is the lowest number there, and infinitely low here.
    const int64_t stage = OneOf<int64_t>({0, 1, 2, 3});
    if (Chance(50) && (stage != 2 || (!is_causal && !has_lengths))) {
      maker.Output(node, ElementType::kFloat, Shape{s.batch, s.heads(), s.queries, s.keys()});
      AddInt(node, "qk_matmul_output_mode", stage);
    }
  }
  if (is_flat) AddInt(node, "q_num_heads", s.heads());
  if (is_flat) AddInt(node, "kv_num_heads", s.key_heads);
  if (is_causal) AddInt(node, "is_causal", 1);
  if (Chance(30)) AddFloat(node, "scale", 0.5F);
  if (Chance(30)) AddFloat(node, "softcap", 1.5F);
}

void AddRotary(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Sizes s;
  const bool is_flat = Chance(50);
  const Value x = Floats(maker, is_flat ? Shape{s.batch, s.queries, s.heads() * s.columns}
                                        : Shape{s.batch, s.heads(), s.queries, s.columns});
  const bool is_partial = Chance(40);
  const int64_t pairs = is_partial ? Draw(1, s.columns / 2) : s.columns / 2;
  const bool has_places = Chance(60);
  const Shape table = has_places ? Shape{7, pairs} : Shape{s.batch, s.queries, pairs};
  std::vector<Value> inputs = {x, Floats(maker, table), Floats(maker, table)};
  if (has_places) {
    inputs.push_back(maker.Fresh(ElementType::kInt64, {s.batch, s.queries}, {0, 6}));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, x.shape);
  if (is_flat || Chance(30)) AddInt(node, "num_heads", s.heads());
  if (is_partial) AddInt(node, "rotary_embedding_dim", 2 * pairs);
  if (Chance(40)) AddInt(node, "interleaved", 1);
}

void AddContributedRotary(GraphMaker& maker, const std::string&) {
  const Sizes s;
  const bool is_flat = Chance(60);
  const Value x = Floats(maker, is_flat ? Shape{s.batch, s.queries, s.heads() * s.columns}
                                        : Shape{s.batch, s.heads(), s.queries, s.columns});
  const bool is_partial = Chance(30);
  const int64_t pairs = is_partial ? Draw(1, s.columns / 2) : s.columns / 2;
  const Shape table = {9, pairs};
  const Value places = Chance(50) ? maker.Fresh(ElementType::kInt64, {1}, {0, 3})
                                  : maker.Fresh(ElementType::kInt64, {s.batch, s.queries}, {0, 8});
  onnx::NodeProto* node =
      maker.Node("RotaryEmbedding", {x, places, Floats(maker, table), Floats(maker, table)},
                 ElementType::kFloat, x.shape, kDomain);
  if (is_partial || Chance(40)) AddInt(node, "num_heads", s.heads());
  if (is_partial) AddInt(node, "rotary_embedding_dim", 2 * pairs);
  if (Chance(40)) AddInt(node, "interleaved", 1);
}

void AddTensorScatter(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Sizes s;
  const int64_t length = s.added + Draw(0, 3);
  const Shape cache = {s.batch, s.key_heads, length, s.columns};
  const Shape update = {s.batch, s.key_heads, s.added, s.columns};
  const bool is_circular = Chance(40);
  std::vector<Value> inputs = {Floats(maker, cache), Floats(maker, update)};
  if (Chance(70)) {
    inputs.push_back(
        maker.Fresh(ElementType::kInt64, {s.batch},
                    {0, static_cast<double>(is_circular ? length - 1 : length - s.added)}));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, cache);
  if (is_circular) AddString(node, "mode", "circular");
  if (Chance(40)) AddInt(node, "axis", 2);
}

// Where zeros hide all that a query sees, what is added to their scores must be small, or it rounds
// them (AddFilter).
Value Padding(GraphMaker& maker, const Sizes& s) {
  const int64_t kind = Draw(0, 2);
  if (kind == 0) {
    return maker.Fresh(ElementType::kInt32, {s.batch}, {1, static_cast<double>(s.keys())});
  }
  if (kind == 1) return maker.Fresh(ElementType::kInt32, {s.batch, s.keys()}, {0, 1});
  return maker.Fresh(ElementType::kInt32, {s.batch, s.queries, s.keys()}, {0, 1});
}

void AddFilter(onnx::NodeProto* node) { AddFloat(node, "mask_filter_value", -50); }

Value ScoreBias(GraphMaker& maker, const Sizes& s) {
  return Floats(maker, {Chance(50) ? s.batch : 1, Chance(50) ? s.heads() : 1, s.queries, s.keys()});
}

void AddMultiHead(GraphMaker& maker, const std::string& op) {
  Sizes s;
  s.group = 1;
  if (Chance(40)) s.queries = s.added;
  const int64_t hidden = s.heads() * s.columns;
  const int64_t value_columns = s.past > 0 || Chance(60) ? s.columns : Draw(1, 6);
  const bool is_cross = s.past == 0 && Chance(25);
  std::vector<Value> inputs = {Floats(maker, {s.batch, s.queries, hidden})};
  if (is_cross) {
    inputs.push_back(Floats(maker, {s.batch, s.heads(), s.added, s.columns}));
    inputs.push_back(Floats(maker, {s.batch, s.heads(), s.added, value_columns}));
  } else {
    inputs.push_back(Floats(maker, {s.batch, s.added, hidden}));
    inputs.push_back(Floats(maker, {s.batch, s.added, s.heads() * value_columns}));
  }
  const bool has_bias = !is_cross && Chance(40);
  inputs.push_back(has_bias ? Floats(maker, {2 * hidden + s.heads() * value_columns}) : kNone);
  inputs.push_back(Chance(40) ? Padding(maker, s) : kNone);
  inputs.push_back(Chance(40) ? ScoreBias(maker, s) : kNone);
  if (s.past > 0) {
    inputs.push_back(Floats(maker, {s.batch, s.heads(), s.past, s.columns}));
    inputs.push_back(Floats(maker, {s.batch, s.heads(), s.past, value_columns}));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat,
                                     Shape{s.batch, s.queries, s.heads() * value_columns}, kDomain);
  if (s.past > 0) {
    maker.Output(node, ElementType::kFloat, Shape{s.batch, s.heads(), s.keys(), s.columns});
    maker.Output(node, ElementType::kFloat, Shape{s.batch, s.heads(), s.keys(), value_columns});
  }
  AddInt(node, "num_heads", s.heads());
  if (Chance(30)) AddFloat(node, "scale", 0.5F);
  // Of a single query ONNX Runtime hides nothing.
  if (s.queries == s.added && Chance(50)) AddInt(node, "unidirectional", 1);
  AddFilter(node);
}

void AddProjected(GraphMaker& maker, const std::string&) {
  Sizes s;
  s.group = 1;
  s.queries = s.added;
  const int64_t hidden = s.heads() * s.columns;
  const bool has_sizes = s.past == 0 && Chance(40);
  const int64_t value_hidden = has_sizes ? s.heads() * Draw(1, 4) : hidden;
  const int64_t inner = Draw(1, 6);
  std::vector<Value> inputs = {Floats(maker, {s.batch, s.added, inner}),
                               Floats(maker, {inner, 2 * hidden + value_hidden}),
                               Floats(maker, {2 * hidden + value_hidden})};
  inputs.push_back(Chance(40) ? Padding(maker, s) : kNone);
  inputs.push_back(s.past > 0 ? Floats(maker, {2, s.batch, s.heads(), s.past, s.columns}) : kNone);
  if (Chance(40)) inputs.push_back(ScoreBias(maker, s));
  onnx::NodeProto* node = maker.Node("Attention", inputs, ElementType::kFloat,
                                     Shape{s.batch, s.added, value_hidden}, kDomain);
  if (s.past > 0) {
    maker.Output(node, ElementType::kFloat, Shape{2, s.batch, s.heads(), s.keys(), s.columns});
  }
  AddInt(node, "num_heads", s.heads());
  if (has_sizes) {
    decompose::testing::AddInts(node, "qkv_hidden_sizes", {hidden, hidden, value_hidden});
  }
  if (Chance(30)) AddFloat(node, "scale", 0.5F);
  if (Chance(30)) AddInt(node, "unidirectional", 1);
  AddFilter(node);
}

void AddGrouped(GraphMaker& maker, const std::string& op) {
  Sizes s;
  const bool rotates = Chance(50);
  // ONNX Runtime turns whole groups of columns.
  s.columns = rotates ? 16 : 8;
  // More queries than one after a cache must be of one sequence.
  if (s.past > 0 && s.added > 1) s.batch = 1;
  s.queries = s.added;
  const int64_t total = s.keys();
  const bool is_packed = Chance(30);
  std::vector<Value> inputs;
  if (is_packed) {
    inputs = {Floats(maker, {s.batch, s.added, (s.heads() + 2 * s.key_heads) * s.columns}), kNone,
              kNone};
  } else {
    inputs = {Floats(maker, {s.batch, s.added, s.heads() * s.columns}),
              Floats(maker, {s.batch, s.added, s.key_heads * s.columns}),
              Floats(maker, {s.batch, s.added, s.key_heads * s.columns})};
  }
  const Shape cache = {s.batch, s.key_heads, s.past, s.columns};
  inputs.push_back(s.past > 0 ? Floats(maker, cache) : kNone);
  inputs.push_back(s.past > 0 ? Floats(maker, cache) : kNone);
  const auto last = static_cast<double>(total - 1);
  inputs.push_back(maker.Fresh(ElementType::kInt32, {s.batch}, {last, last, true}));
  inputs.push_back(maker.Fresh(ElementType::kInt32, {}, {last + 1, last + 1, true}));
  inputs.push_back(rotates ? Floats(maker, {total + 2, s.columns / 2}) : kNone);
  inputs.push_back(rotates ? Floats(maker, {total + 2, s.columns / 2}) : kNone);
  inputs.push_back(kNone);
  inputs.push_back(Chance(30) ? ScoreBias(maker, s) : kNone);
  if (Chance(30)) inputs.push_back(Floats(maker, {s.heads()}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat,
                                     Shape{s.batch, s.added, s.heads() * s.columns}, kDomain);
  maker.Output(node, ElementType::kFloat, Shape{s.batch, s.key_heads, total, s.columns});
  maker.Output(node, ElementType::kFloat, Shape{s.batch, s.key_heads, total, s.columns});
  AddInt(node, "num_heads", s.heads());
  AddInt(node, "kv_num_heads", s.key_heads);
  if (rotates) AddInt(node, "do_rotary", 1);
  if (rotates && Chance(40)) AddInt(node, "rotary_interleaved", 1);
  if (Chance(30)) AddFloat(node, "scale", 0.5F);
  if (Chance(30)) AddFloat(node, "softcap", 1.5F);
  if (Chance(30)) AddInt(node, "local_window_size", Draw(1, 4));
  if (Chance(20)) AddInt(node, "smooth_softmax", 1);
}

// Projections of quantized numbers. What is added to hidden scores is small, as above.
void AddQuantizedAttention(GraphMaker& maker, const std::string& op) {
  Sizes s;
  s.group = 1;
  s.queries = s.added;
  const int64_t hidden = s.heads() * s.columns;
  const Numbers scale = {.least = 0.01, .most = 0.05, .constant = true};
  const Numbers bytes = {.least = 0, .most = 120};
  const Numbers zero = {.least = 0, .most = 9, .constant = true};
  const int64_t inner = Draw(1, 6);
  std::vector<Value> inputs = {
      maker.Fresh(ElementType::kUint8, {s.batch, s.added, inner}, bytes),
      maker.Fresh(ElementType::kUint8, {inner, 3 * hidden}, {0, 120, true}),
      Floats(maker, {3 * hidden}),
      maker.Fresh(ElementType::kFloat, {}, scale),
      maker.Fresh(ElementType::kFloat, {}, scale),
      Chance(40) ? Padding(maker, s) : kNone,
      maker.Fresh(ElementType::kUint8, {}, zero),
      maker.Fresh(ElementType::kUint8, {}, zero)};
  if (s.past > 0) inputs.push_back(Floats(maker, {2, s.batch, s.heads(), s.past, s.columns}));
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat, Shape{s.batch, s.added, hidden}, kDomain);
  if (s.past > 0) {
    maker.Output(node, ElementType::kFloat, Shape{2, s.batch, s.heads(), s.keys(), s.columns});
  }
  AddInt(node, "num_heads", s.heads());
  if (Chance(30)) AddInt(node, "unidirectional", 1);
  AddFilter(node);
}

void AddLinear(GraphMaker& maker, const std::string& op) {
  const Sizes s;
  const int64_t value_columns = Draw(1, 6);
  const auto rule = OneOf<std::string>({"linear", "gated", "delta", "gated_delta"});
  const bool decays = rule.starts_with("gated");
  const bool corrects = rule.ends_with("delta");
  const bool has_past = Chance(50);
  const auto rows = [&](int64_t columns, Numbers numbers = {-1, 1}) {
    return maker.Fresh(ElementType::kFloat, {s.batch, s.added, columns}, numbers);
  };
  std::vector<Value> inputs = {rows(s.heads() * s.columns), rows(s.key_heads * s.columns),
                               rows(s.key_heads * value_columns)};
  const Shape state = {s.batch, s.key_heads, s.columns, value_columns};
  inputs.push_back(has_past ? Floats(maker, state) : kNone);
  inputs.push_back(decays ? rows(s.key_heads * (Chance(50) ? 1 : s.columns), {-2, 0}) : kNone);
  if (corrects) inputs.push_back(rows(Chance(50) ? 1 : s.key_heads, {0, 1}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat,
                                     Shape{s.batch, s.added, s.heads() * value_columns}, kDomain);
  maker.Output(node, ElementType::kFloat, state);
  AddString(node, "update_rule", rule);
  AddInt(node, "q_num_heads", s.heads());
  AddInt(node, "kv_num_heads", s.key_heads);
  if (Chance(40)) AddFloat(node, "scale", 0.5F);
}

void AddCausalConv(GraphMaker& maker, const std::string& op) {
  const Shape x = {Draw(1, 2), Draw(1, 4), Draw(1, 6)};
  const int64_t taps = Draw(2, 5);
  std::vector<Value> inputs = {Floats(maker, x), Floats(maker, {x[1], 1, taps}),
                               Chance(60) ? Floats(maker, {x[1]}) : kNone};
  if (Chance(60)) inputs.push_back(Floats(maker, {x[0], x[1], taps - 1}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, x, kDomain);
  maker.Output(node, ElementType::kFloat, Shape{x[0], x[1], taps - 1});
  AddString(node, "activation", OneOf<std::string>({"none", "silu", "swish"}));
}

}  // namespace

std::vector<NamedRecipe> AttentionRecipes() {
  return {{"Attention", AddStandard},
          {"Attention", AddStandard},
          {"RotaryEmbedding", AddRotary},
          {"TensorScatter", AddTensorScatter},
          {"MultiHeadAttention", AddMultiHead},
          {"GroupQueryAttention", AddGrouped},
          {"ContributedAttention", AddProjected},
          {"QAttention", AddQuantizedAttention},
          {"LinearAttention", AddLinear},
          {"CausalConvWithState", AddCausalConv},
          {"ContributedRotaryEmbedding", AddContributedRotary}};
}

}  // namespace ephemeralml::differential
