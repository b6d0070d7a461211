#include <algorithm>
#include <cmath>
#include <numbers>

#include "client/decompose/prepare/match.h"
#include "client/decompose/prepare/passes.h"

namespace ephemeralml::decompose {
namespace {

// Takes a factor that is this number out of the list.
bool TakeScalar(const Facts& facts, std::vector<ValueId>& factors, ValueId beside, double number) {
  const auto found = std::ranges::find_if(
      factors, [&](ValueId factor) { return IsNear(ScalarBeside(facts, factor, beside), number); });
  if (found == factors.end()) return false;
  factors.erase(found);
  return true;
}

// x / sqrt(2), as a quotient or product; 0 if it is anything else.
ValueId DividedByRootOfTwo(const Rewriter& rewriter, const Facts& facts, ValueId value) {
  if (const ProgramNode* quotient = rewriter.Producer(value, "Div")) {
    const auto parts = DividedByScalar(facts, *quotient);
    return parts && IsNear(parts->scalar, std::numbers::sqrt2) ? parts->value : 0;
  }
  const ProgramNode* product = rewriter.Producer(value, "Mul");
  const auto parts = product == nullptr ? std::nullopt : WithScalar(facts, *product);
  return parts && IsNear(parts->scalar, 1 / std::numbers::sqrt2) ? parts->value : 0;
}

// x of 0.044715 x^3.
bool IsScaledCube(const Rewriter& rewriter, const Facts& facts, ValueId value, ValueId x) {
  std::vector<ValueId> factors = FactorsOf(rewriter, value);
  if (!TakeScalar(facts, factors, x, 0.044715)) return false;
  if (factors == std::vector<ValueId>{x, x, x}) return true;
  if (factors.size() != 1) return false;
  const ProgramNode* pow = rewriter.Producer(factors[0], "Pow");
  return pow != nullptr && pow->inputs[0] == x && ExponentOf(facts, *pow) == 3.0F;
}

bool IsTanhArgument(const Rewriter& rewriter, const Facts& facts, ValueId value, ValueId x) {
  std::vector<ValueId> factors = FactorsOf(rewriter, value);
  if (factors.size() != 2) return false;
  if (!TakeScalar(facts, factors, x, std::sqrt(2 / std::numbers::pi))) return false;
  const ProgramNode* sum = rewriter.Producer(factors[0], "Add");
  const ValueId cube = sum == nullptr ? 0 : OtherOperand(*sum, x);
  return cube != 0 && IsScaledCube(rewriter, facts, cube, x);
}

// Which Gelu has this as its factor beside x and 1/2; null if none has.
const char* ApproximationOf(const Rewriter& rewriter, const Facts& facts, ValueId factor,
                            ValueId x) {
  const ProgramNode* sum = rewriter.Producer(factor, "Add");
  const auto parts = sum == nullptr ? std::nullopt : WithScalar(facts, *sum);
  if (!parts || parts->scalar != 1.0F) return nullptr;
  if (const ProgramNode* erf = rewriter.Producer(parts->value, "Erf")) {
    return DividedByRootOfTwo(rewriter, facts, erf->inputs[0]) == x ? "none" : nullptr;
  }
  const ProgramNode* tanh = rewriter.Producer(parts->value, "Tanh");
  const bool is_tanh = tanh != nullptr && IsTanhArgument(rewriter, facts, tanh->inputs[0], x);
  return is_tanh ? "tanh" : nullptr;
}

void TryFuse(Rewriter& rewriter, const Facts& facts, const ProgramNode& root) {
  const std::vector<ValueId> factors = FactorsOf(rewriter, root.outputs[0]);
  if (factors.size() != 3) return;
  for (const ValueId x : factors) {
    std::vector<ValueId> rest = factors;
    rest.erase(std::ranges::find(rest, x));
    if (facts.FloatOf(x) || !TakeScalar(facts, rest, x, 0.5)) continue;
    const char* approximation = ApproximationOf(rewriter, facts, rest[0], x);
    if (approximation == nullptr) continue;
    rewriter.Replace(&root, OwnNode("Gelu", {x}, root.outputs[0],
                                    {{"approximate", std::string_view(approximation)}}));
    return;
  }
}

}  // namespace

// 0.5 x (1 + erf(x / sqrt(2))), or 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
// Source: ONNX operator Gelu, version 20.
void FuseGelu(Program& program, ProgramGraph& graph, const Facts& facts) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (Is(node, "Mul")) TryFuse(rewriter, facts, node);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
