// Attention with its projections.

#include <array>

#include "client/decompose/expand/rules.h"

namespace ephemeralml::decompose {
namespace {

// Queries, keys and values side by side, apart.
std::vector<ValueId> SplitParts(Composer& composer, ValueId joined) {
  constexpr int64_t kColumns = 2;
  const auto sizes = IntsAttribute(composer.node(), "qkv_hidden_sizes");
  if (sizes && sizes->size() != 3) return {};
  if (sizes && composer.opset() >= 13) {
    return composer.MakeSeveral("Split", {joined, composer.Integers(*sizes)}, 3,
                                {{"axis", kColumns}});
  }
  ProgramAttributes attributes = {{"axis", kColumns}};
  if (sizes) attributes.push_back({"split", *sizes});
  if (composer.opset() >= 18) attributes.push_back({"num_outputs", int64_t{3}});
  return composer.MakeSeveral("Split", {joined}, 3, std::move(attributes));
}

ValueId Unsqueezed(Composer& composer, ValueId value) {
  if (composer.opset() >= 13) return composer.Make("Unsqueeze", {value, composer.Integers({0})});
  return composer.Make("Unsqueeze", {value}, {{"axes", std::vector<int64_t>{0}}});
}

// Where a node lists what attention takes beside its projections.
struct AttentionInputs {
  size_t mask = 0;
  size_t past = 0;
  size_t score_bias = 0;
};

bool GiveAttention(Composer& composer, ValueId projected, const AttentionInputs& at) {
  constexpr std::array<std::string_view, 4> kNames = {"num_heads", "scale", "unidirectional",
                                                      "mask_filter_value"};
  const std::vector<ValueId> parts = SplitParts(composer, projected);
  if (parts.empty()) return false;
  const ValueId score_bias = at.score_bias == 0 ? 0 : composer.Input(at.score_bias);
  std::vector<ValueId> inputs = {parts[0],   parts[1], parts[2], 0, composer.Input(at.mask),
                                 score_bias, 0,        0};
  if (composer.Has(at.past)) {
    for (const int64_t i : {0, 1}) {
      inputs[static_cast<size_t>(6 + i)] =
          composer.Make("Gather", {composer.Input(at.past), composer.Integer(i)});
    }
  }
  const bool has_cache = composer.HasOutput(1);
  const std::vector<ValueId> made = composer.MakeContributed(
      "MultiHeadAttention", inputs, has_cache ? 3 : 1, composer.Copy(kNames));
  composer.Give(0, made[0]);
  if (has_cache) {
    const ValueId keys = Unsqueezed(composer, made[1]);
    const ValueId values = Unsqueezed(composer, made[2]);
    composer.Give(1, composer.Make("Concat", {keys, values}, {{"axis", int64_t{0}}}));
  }
  return true;
}

bool RotatesOrShares(const ProgramNode& node) {
  return IntAttribute(node, "do_rotary").value_or(0) != 0 ||
         IntAttribute(node, "past_present_share_buffer").value_or(0) != 0;
}

}  // namespace

bool ExpandAttention(Composer& composer) {
  if (RotatesOrShares(composer.node()) || composer.Has(6)) return false;
  const ValueId projected =
      composer.AddInput(composer.Make("MatMul", {composer.Input(0), composer.Input(1)}), 2);
  return GiveAttention(composer, projected, {.mask = 3, .past = 4, .score_bias = 5});
}

// Attention whose projections are exact sums of quantized numbers.
bool ExpandQAttention(Composer& composer) {
  if (RotatesOrShares(composer.node())) return false;
  const ValueId sums = composer.Make("MatMulInteger", {composer.Input(0), composer.Input(1),
                                                       composer.Input(6), composer.Input(7)});
  const ValueId floats =
      composer.Make("Cast", {sums}, {{"to", static_cast<int64_t>(wire::ElementType::kFloat)}});
  const ValueId scale = composer.Make("Mul", {composer.Input(3), composer.Input(4)});
  const ValueId projected = composer.AddInput(composer.Make("Mul", {floats, scale}), 2);
  return GiveAttention(composer, projected, {.mask = 5, .past = 8});
}

}  // namespace ephemeralml::decompose
