#include <cmath>

#include "client/decompose/prepare/match.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

using Order = std::vector<int64_t>;

// A tensor [B, S, H] of which heads were split off: [B, S, heads, H / heads], and then moved to
// where attention needs them.
struct Heads {
  ValueId whole = 0;
  SizeList split;
};

// What attention is made of, before its result is put together again.
struct Scores {
  Heads query;
  Heads key;
  ValueId mask = 0;
  double scale = 1;
};

// Takes products and quotients by a number off a value, and gathers the numbers.
ValueId WithoutScale(const Rewriter& rewriter, const Facts& facts, ValueId value, double& scale) {
  while (true) {
    if (const ProgramNode* quotient = rewriter.Producer(value, "Div")) {
      const auto parts = DividedByScalar(facts, *quotient);
      if (!parts || parts->scalar == 0) return value;
      scale /= static_cast<double>(parts->scalar);
      value = parts->value;
    } else if (const ProgramNode* product = rewriter.Producer(value, "Mul")) {
      const auto parts = WithScalar(facts, *product);
      if (!parts) return value;
      scale *= static_cast<double>(parts->scalar);
      value = parts->value;
    } else {
      return value;
    }
  }
}

// The order of a chain of transpositions, of which `value` is moved to the first one's input.
std::optional<Order> TakeTransposes(const Rewriter& rewriter, ValueId& value) {
  Order order = {0, 1, 2, 3};
  while (const ProgramNode* transpose = rewriter.Producer(value, "Transpose")) {
    const auto step = IntsAttribute(*transpose, "perm").value_or(Order{3, 2, 1, 0});
    if (step.size() != 4) return std::nullopt;
    Order composed(4);
    for (size_t i = 0; i < 4; ++i) {
      const int64_t axis = order[i];
      composed[i] = step.at(static_cast<size_t>(axis));
      if (composed[i] < 0 || composed[i] > 3) return std::nullopt;
    }
    order = composed;
    value = transpose->inputs[0];
  }
  return order;
}

// Matches transposed heads; `scale` takes what stands between.
std::optional<Heads> MatchHeads(const Rewriter& rewriter, const Facts& facts, ValueId value,
                                const Order& wanted, double& scale) {
  value = WithoutScale(rewriter, facts, value, scale);
  const auto order = TakeTransposes(rewriter, value);
  if (!order || *order != wanted) return std::nullopt;
  value = WithoutScale(rewriter, facts, value, scale);
  const ProgramNode* reshape = rewriter.Producer(value, "Reshape");
  if (reshape == nullptr) return std::nullopt;
  const SizeList* whole = facts.ShapeOf(reshape->inputs[0]);
  const SizeList* split = facts.ShapeOf(value);
  if (whole == nullptr || split == nullptr || whole->size() != 3 || split->size() != 4) {
    return std::nullopt;
  }
  const auto& [heads, depth] = std::pair((*split)[2], (*split)[3]);
  const bool fits = heads.IsKnown() && depth.IsKnown() && heads.value > 0 && depth.value > 0 &&
                    (*whole)[0] == (*split)[0] && (*whole)[1] == (*split)[1] &&
                    (*whole)[2].IsKnown() && (*whole)[2].value / heads.value == depth.value &&
                    (*whole)[2].value % heads.value == 0;
  return fits ? std::optional(Heads{reshape->inputs[0], *split}) : std::nullopt;
}

// Query times key, scaled anywhere.
std::optional<Scores> MatchProduct(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  Scores scores;
  value = WithoutScale(rewriter, facts, value, scores.scale);
  const ProgramNode* product = rewriter.Producer(value, "MatMul");
  if (product == nullptr) return std::nullopt;
  const auto query = MatchHeads(rewriter, facts, product->inputs[0], {0, 2, 1, 3}, scores.scale);
  const auto key = MatchHeads(rewriter, facts, product->inputs[1], {0, 2, 3, 1}, scores.scale);
  if (!query || !key) return std::nullopt;
  scores.query = *query;
  scores.key = *key;
  return scores;
}

// True if the mask can be added without changing the shape [B, heads, S, T] of the scores, and has
// an element for every key, which the engine asks for.
bool IsMask(const Facts& facts, ValueId mask, const Scores& scores) {
  const SizeList* shape = facts.ShapeOf(mask);
  if (shape == nullptr || shape->empty() || shape->size() > 4) return false;
  const SizeList& query = scores.query.split;
  const SizeList target = {query[0], query[2], query[1], scores.key.split[1]};
  if (shape->back() != target[3]) return false;
  for (size_t i = 0; i < shape->size(); ++i) {
    const Size size = (*shape)[i];
    if (!size.Is(1) && size != target[4 - shape->size() + i]) return false;
  }
  return true;
}

std::optional<Scores> MatchScores(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  if (auto scores = MatchProduct(rewriter, facts, value)) return scores;
  const ProgramNode* sum = rewriter.Producer(value, "Add");
  if (sum == nullptr) return std::nullopt;
  for (const ValueId side : sum->inputs) {
    const ValueId mask = OtherOperand(*sum, side);
    auto scores = mask == 0 ? std::nullopt : MatchProduct(rewriter, facts, side);
    if (!scores || !IsMask(facts, mask, *scores)) continue;
    scores->mask = mask;
    return scores;
  }
  return std::nullopt;
}

// Softmax over the last axis of four. Before version 13 axes from the given one on were one.
bool IsOverLastAxis(const Facts& facts, const ProgramNode& softmax) {
  const int64_t axis = IntAttribute(softmax, "axis").value_or(facts.opset() < 13 ? 1 : -1);
  return axis == -1 || axis == 3;
}

// True if batches, heads and depths are the same, and keys are as many as values.
bool FitTogether(const Heads& query, const Heads& key, const Heads& value) {
  return query.split[0] == key.split[0] && query.split[0] == value.split[0] &&
         query.split[2] == key.split[2] && query.split[2] == value.split[2] &&
         query.split[3] == key.split[3] && query.split[3] == value.split[3] &&
         key.split[1] == value.split[1];
}

// The scale as its formula has it, which says nothing that the depth doesn't: 1, or the root of one
// over the depth. Of another one, which may have been learned, there is no attribute.
std::optional<float> ScaleByDepth(double scale, int64_t depth) {
  constexpr double kTolerance = 1e-6;
  for (const double formula : {1.0, 1 / std::sqrt(static_cast<double>(depth))}) {
    if (std::abs(scale - formula) <= kTolerance * formula) return static_cast<float>(formula);
  }
  return std::nullopt;
}

void TryFuse(Rewriter& rewriter, const Facts& facts, const ProgramNode& root, bool in_bfloat16) {
  const ProgramNode* back = rewriter.Producer(root.inputs[0], "Transpose");
  if (back == nullptr || IntsAttribute(*back, "perm") != Order{0, 2, 1, 3}) return;
  const ProgramNode* product = rewriter.Producer(back->inputs[0], "MatMul");
  const ProgramNode* softmax =
      product == nullptr ? nullptr : rewriter.Producer(product->inputs[0], "Softmax");
  if (softmax == nullptr || !IsOverLastAxis(facts, *softmax)) return;
  double value_scale = 1;
  const auto value = MatchHeads(rewriter, facts, product->inputs[1], {0, 2, 1, 3}, value_scale);
  const auto scores = MatchScores(rewriter, facts, softmax->inputs[0]);
  if (!value || value_scale != 1 || !scores) return;
  if (!FitTogether(scores->query, scores->key, *value)) return;
  if (!facts.HaveSameShape(root.outputs[0], scores->query.whole)) return;
  const auto scale = ScaleByDepth(scores->scale, scores->query.split[3].value);
  if (!scale) return;
  std::vector<ValueId> inputs = {scores->query.whole, scores->key.whole, value->whole};
  if (scores->mask != 0) inputs.push_back(scores->mask);
  std::vector<ProgramAttribute> attributes = {{"heads", scores->query.split[2].value},
                                              {"scale", *scale}};
  if (in_bfloat16) attributes.push_back({"compute", std::string_view("bfloat16")});
  rewriter.Replace(&root,
                   OwnNode("Attention", std::move(inputs), root.outputs[0], std::move(attributes)));
}

}  // namespace

// softmax(scale Q K' + mask) V for each head.
void FuseAttention(Program& program, ProgramGraph& graph, const Facts& facts, bool in_bfloat16) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (Is(node, "Reshape")) TryFuse(rewriter, facts, node, in_bfloat16);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
