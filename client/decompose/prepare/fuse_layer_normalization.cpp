#include "client/decompose/prepare/match.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

// What a mean over the last axis alone, which stays, was taken of; 0 if the value is no such mean.
ValueId MeanOverLastAxis(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  const ProgramNode* mean = rewriter.Producer(value, "ReduceMean");
  if (mean == nullptr || IntAttribute(*mean, "keepdims").value_or(1) == 0) return 0;
  bool is_unknown = false;
  const auto axes = AxesOf(facts, *mean, 18, is_unknown);
  if (is_unknown || !axes || axes->size() != 1) return 0;
  const SizeList* shape = facts.ShapeOf(mean->inputs[0]);
  if (shape == nullptr || AxisOf((*axes)[0], shape->size()) != shape->size() - 1) return 0;
  return mean->inputs[0];
}

// x of x - mean(x); 0 if the value is something else.
ValueId Centered(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  const ProgramNode* difference = rewriter.Producer(value, "Sub");
  if (difference == nullptr) return 0;
  const ValueId x = difference->inputs[0];
  return MeanOverLastAxis(rewriter, facts, difference->inputs[1]) == x ? x : 0;
}

// d of d^2; 0 if the value is something else.
ValueId Squared(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  if (const ProgramNode* pow = rewriter.Producer(value, "Pow")) {
    return ExponentOf(facts, *pow) == 2.0F ? pow->inputs[0] : 0;
  }
  const ProgramNode* product = rewriter.Producer(value, "Mul");
  const bool is_square = product != nullptr && product->inputs[0] == product->inputs[1];
  return is_square ? product->inputs[0] : 0;
}

struct Normalized {
  ValueId x = 0;
  float epsilon = 0;
};

// x and epsilon of sqrt(mean((x - mean(x))^2) + epsilon).
std::optional<Normalized> Deviation(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  const ProgramNode* root = rewriter.Producer(value, "Sqrt");
  const ProgramNode* sum = root == nullptr ? nullptr : rewriter.Producer(root->inputs[0], "Add");
  const auto parts = sum == nullptr ? std::nullopt : WithScalar(facts, *sum);
  if (!parts) return std::nullopt;
  const ValueId square = MeanOverLastAxis(rewriter, facts, parts->value);
  const ValueId difference = square == 0 ? 0 : Squared(rewriter, facts, square);
  const ValueId x = difference == 0 ? 0 : Centered(rewriter, facts, difference);
  if (x == 0 || !(parts->scalar >= 0) || !IsWritten(parts->scalar)) return std::nullopt;
  return Normalized{x, parts->scalar};
}

// The value whose reciprocal this is; 0 if it is something else.
ValueId ReciprocalOf(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  if (const ProgramNode* node = rewriter.Producer(value, "Reciprocal")) return node->inputs[0];
  const ProgramNode* quotient = rewriter.Producer(value, "Div");
  if (quotient == nullptr) return 0;
  const bool is_one = ScalarBeside(facts, quotient->inputs[0], quotient->inputs[1]) == 1.0F;
  return is_one ? quotient->inputs[1] : 0;
}

// (x - mean(x)) / deviation, as a quotient or as a product with the reciprocal.
std::optional<Normalized> NormalizedValue(const Rewriter& rewriter, const Facts& facts,
                                          ValueId value) {
  const auto match = [&](ValueId difference, ValueId deviation) -> std::optional<Normalized> {
    if (deviation == 0) return std::nullopt;
    const auto parts = Deviation(rewriter, facts, deviation);
    const bool fits = parts && Centered(rewriter, facts, difference) == parts->x;
    return fits ? parts : std::nullopt;
  };
  if (const ProgramNode* quotient = rewriter.Producer(value, "Div")) {
    return match(quotient->inputs[0], quotient->inputs[1]);
  }
  const ProgramNode* product = rewriter.Producer(value, "Mul");
  if (product == nullptr) return std::nullopt;
  for (const ValueId side : product->inputs) {
    const ValueId other = OtherOperand(*product, side);
    if (other == 0) continue;
    if (auto found = match(other, ReciprocalOf(rewriter, facts, side))) return found;
  }
  return std::nullopt;
}

// A constant [H] beside x, H being the size of x's last axis.
bool IsParameter(const Program& program, const Facts& facts, ValueId value, ValueId x) {
  const onnx::Tensor* tensor = FloatConstant(program, value);
  return tensor != nullptr && tensor->dims.size() == 1 && facts.LastDimensionIs(x, tensor->dims[0]);
}

void TryFuse(Rewriter& rewriter, const Facts& facts, const ProgramNode& scaling) {
  for (const ValueId scale : scaling.inputs) {
    const ValueId value = OtherOperand(scaling, scale);
    const auto parts = value == 0 ? std::nullopt : NormalizedValue(rewriter, facts, value);
    if (!parts || !IsParameter(rewriter.program(), facts, scale, parts->x)) continue;
    std::vector<ValueId> inputs = {parts->x, scale};
    const ProgramNode* root = &scaling;
    const ProgramNode* shift = rewriter.OnlyUser(scaling.outputs[0]);
    if (shift != nullptr && Is(*shift, "Add")) {
      const ValueId bias = OtherOperand(*shift, scaling.outputs[0]);
      if (bias != 0 && IsParameter(rewriter.program(), facts, bias, parts->x)) {
        inputs.push_back(bias);
        root = shift;
      }
    }
    rewriter.Replace(root, OwnNode("LayerNormalization", inputs, root->outputs[0],
                                   {{"axis", int64_t{-1}}, {"epsilon", parts->epsilon}}));
    return;
  }
}

}  // namespace

// scale (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) + bias, means over the last axis.
// Source: ONNX operator LayerNormalization, version 17.
void FuseLayerNormalization(Program& program, ProgramGraph& graph, const Facts& facts) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (Is(node, "Mul")) TryFuse(rewriter, facts, node);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
