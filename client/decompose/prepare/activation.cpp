#include "client/decompose/prepare/activation.h"

#include <limits>

#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

constexpr float kSixth = 1.0F / 6.0F;

// A bound of Clip since version 11; none if it can't be told.
std::optional<float> Bound(const Facts& facts, const ProgramNode& clip, size_t input,
                           float unbounded) {
  const ValueId value = InputOf(clip, input);
  return value == 0 ? unbounded : facts.FloatOf(value);
}

std::optional<Activation> ClipActivation(const Facts& facts, const ProgramNode& clip) {
  constexpr float kMost = std::numeric_limits<float>::max();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (facts.opset() < 11) {
    return Activation{"Clip", FloatAttribute(clip, "min").value_or(-kMost),
                      FloatAttribute(clip, "max").value_or(kMost)};
  }
  const auto low = Bound(facts, clip, 1, -kInfinity);
  const auto high = Bound(facts, clip, 2, kInfinity);
  if (!low || !high || !IsWritten(*low) || !IsWritten(*high)) return std::nullopt;
  return Activation{"Clip", *low, *high};
}

std::optional<Activation> SingleActivation(const Facts& facts, const ProgramNode& node) {
  if (IsOwn(node, "Gelu") || Is(node, "Gelu")) {
    const bool is_exact = StringAttribute(node, "approximate").value_or("none") == "none";
    return is_exact ? std::optional(Activation{"Gelu"}) : std::nullopt;
  }
  if (!node.domain.empty()) return std::nullopt;
  if (node.op == "Relu") return Activation{"Relu"};
  if (node.op == "Sigmoid") return Activation{"Sigmoid"};
  if (node.op == "Tanh") return Activation{"Tanh"};
  if (node.op == "HardSwish") return Activation{"HardSwish"};
  if (node.op == "LeakyRelu") {
    return Activation{"LeakyRelu", FloatAttribute(node, "alpha").value_or(0.01F)};
  }
  if (node.op == "HardSigmoid") {
    return Activation{"HardSigmoid", FloatAttribute(node, "alpha").value_or(0.2F),
                      FloatAttribute(node, "beta").value_or(0.5F)};
  }
  return node.op == "Clip" ? ClipActivation(facts, node) : std::nullopt;
}

bool DividesBySix(const Facts& facts, const ProgramNode& node, ValueId value) {
  if (Is(node, "Div")) {
    const auto parts = DividedByScalar(facts, node);
    return parts && parts->value == value && parts->scalar == 6.0F;
  }
  const auto parts = Is(node, "Mul") ? WithScalar(facts, node) : std::nullopt;
  return parts && parts->value == value && IsNear(parts->scalar, 1.0 / 6.0);
}

bool ClipsToSix(const Facts& facts, const ProgramNode& node) {
  const auto bounds = Is(node, "Clip") ? ClipActivation(facts, node) : std::nullopt;
  return bounds && bounds->alpha == 0.0F && bounds->beta == 6.0F;
}

// The node that makes clip(value + 3, 0, 6), if `sum` begins that; else null.
const ProgramNode* ClippedSum(const Rewriter& rewriter, const Facts& facts, const ProgramNode& sum,
                              ValueId value) {
  const auto parts = Is(sum, "Add") ? WithScalar(facts, sum) : std::nullopt;
  if (!parts || parts->value != value || parts->scalar != 3.0F) return nullptr;
  const ProgramNode* clip = rewriter.OnlyUser(sum.outputs[0]);
  return clip != nullptr && ClipsToSix(facts, *clip) ? clip : nullptr;
}

// value * factor, a node that nothing but this pattern sees.
bool Multiplies(const ProgramNode& node, ValueId value, ValueId factor) {
  return Is(node, "Mul") && OtherOperand(node, value) == factor;
}

// The two nodes that follow the clip: a product with the value and a division by six, in any order.
const ProgramNode* HardSwishEnd(const Rewriter& rewriter, const Facts& facts,
                                const ProgramNode& clip, ValueId value) {
  const ProgramNode* first = rewriter.OnlyUser(clip.outputs[0]);
  if (first == nullptr) return nullptr;
  const ProgramNode* second = rewriter.OnlyUser(first->outputs[0]);
  if (second == nullptr) return nullptr;
  const ValueId clipped = clip.outputs[0];
  const ValueId between = first->outputs[0];
  const bool product_first =
      Multiplies(*first, value, clipped) && DividesBySix(facts, *second, between);
  const bool product_last =
      DividesBySix(facts, *first, clipped) && Multiplies(*second, value, between);
  return product_first || product_last ? second : nullptr;
}

// value * clip(value + 3, 0, 6) / 6, or the product with a HardSigmoid that is the same.
std::optional<MatchedActivation> SpelledHardSwish(const Rewriter& rewriter, const Facts& facts,
                                                  ValueId value) {
  const auto users = rewriter.Users(value);
  if (users.size() != 2 || users[0] == users[1]) return std::nullopt;
  for (const ProgramNode* user : users) {
    const ProgramNode* other = user == users[0] ? users[1] : users[0];
    if (const ProgramNode* clip = ClippedSum(rewriter, facts, *user, value)) {
      const ProgramNode* last = HardSwishEnd(rewriter, facts, *clip, value);
      if (last != nullptr) return MatchedActivation{{"HardSwish"}, last};
    }
    const bool is_gate = Is(*user, "HardSigmoid") &&
                         IsNear(FloatAttribute(*user, "alpha").value_or(0.2F), kSixth) &&
                         FloatAttribute(*user, "beta").value_or(0.5F) == 0.5F;
    if (is_gate && rewriter.OnlyUser(user->outputs[0]) == other &&
        Multiplies(*other, value, user->outputs[0])) {
      return MatchedActivation{{"HardSwish"}, other};
    }
  }
  return std::nullopt;
}

// clip(value + 3, 0, 6) / 6.
std::optional<MatchedActivation> SpelledHardSigmoid(const Rewriter& rewriter, const Facts& facts,
                                                    const ProgramNode& user, ValueId value) {
  const ProgramNode* clip = ClippedSum(rewriter, facts, user, value);
  const ProgramNode* last = clip == nullptr ? nullptr : rewriter.OnlyUser(clip->outputs[0]);
  if (last == nullptr || !DividesBySix(facts, *last, clip->outputs[0])) return std::nullopt;
  return MatchedActivation{{"HardSigmoid", kSixth, 0.5F}, last};
}

}  // namespace

std::optional<MatchedActivation> MatchActivation(const Rewriter& rewriter, const Facts& facts,
                                                 ValueId value) {
  const ProgramNode* user = rewriter.OnlyUser(value);
  if (user == nullptr) return SpelledHardSwish(rewriter, facts, value);
  if (user->inputs[0] == value) {
    if (const auto single = SingleActivation(facts, *user)) return MatchedActivation{*single, user};
  }
  return SpelledHardSigmoid(rewriter, facts, *user, value);
}

std::vector<ProgramAttribute> ActivationAttributes(const Activation& activation) {
  if (activation.name.empty()) return {};
  std::vector<ProgramAttribute> attributes = {{"activation", activation.name}};
  const bool has_alpha = activation.name == "LeakyRelu" || activation.name == "HardSigmoid" ||
                         activation.name == "Clip";
  if (has_alpha) attributes.push_back({"activation_alpha", activation.alpha});
  const bool has_beta = activation.name == "HardSigmoid" || activation.name == "Clip";
  if (has_beta) attributes.push_back({"activation_beta", activation.beta});
  return attributes;
}

}  // namespace ephemeralml::decompose
