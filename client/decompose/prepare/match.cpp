#include "client/decompose/prepare/match.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

// More than any pattern has.
constexpr size_t kMostFactors = 6;

bool KeepsShape(const Facts& facts, ValueId small, ValueId large) {
  const SizeList* shape = facts.ShapeOf(small);
  if (shape == nullptr) return false;
  const SizeList* other = facts.ShapeOf(large);
  return shape->size() <= (other == nullptr ? 0 : other->size());
}

void CollectFactors(const Rewriter& rewriter, const ProgramNode& product,
                    std::vector<ValueId>& factors) {
  for (const ValueId input : product.inputs) {
    const ProgramNode* inner = rewriter.Producer(input, "Mul");
    if (inner != nullptr && factors.size() < kMostFactors && rewriter.OnlyUser(input) != nullptr) {
      CollectFactors(rewriter, *inner, factors);
    } else {
      factors.push_back(input);
    }
  }
}

}  // namespace

bool IsNear(std::optional<float> value, double number) {
  // A few units in the last place: some exporters computed the constant in float.
  constexpr double kTolerance = 4e-7;
  return value && std::abs(static_cast<double>(*value) - number) <= kTolerance * std::abs(number);
}

bool IsWritten(float number) {
  constexpr float kMostWhole = 1000;
  constexpr int kSmallestPower = -20;
  const float size = std::abs(number);
  if (std::isinf(size) || size == std::numeric_limits<float>::max()) return true;
  if (size <= kMostWhole) {
    for (int power = -1; power >= kSmallestPower; --power) {
      if (IsNear(size, std::pow(10.0, power))) return true;
    }
    return std::trunc(size) == size;
  }
  return false;
}

std::optional<float> ScalarBeside(const Facts& facts, ValueId scalar, ValueId other) {
  return KeepsShape(facts, scalar, other) ? facts.FloatOf(scalar) : std::nullopt;
}

std::optional<ScaledBy> WithScalar(const Facts& facts, const ProgramNode& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  for (const size_t side : {0U, 1U}) {
    const ValueId value = node.inputs[1 - side];
    const auto scalar = ScalarBeside(facts, node.inputs[side], value);
    if (scalar && !facts.FloatOf(value)) return ScaledBy{value, *scalar};
  }
  return std::nullopt;
}

std::optional<ScaledBy> DividedByScalar(const Facts& facts, const ProgramNode& node) {
  if (node.inputs.size() != 2) return std::nullopt;
  const auto scalar = ScalarBeside(facts, node.inputs[1], node.inputs[0]);
  return scalar ? std::optional(ScaledBy{node.inputs[0], *scalar}) : std::nullopt;
}

std::optional<float> ExponentOf(const Facts& facts, const ProgramNode& pow) {
  if (pow.inputs.size() != 2 || !KeepsShape(facts, pow.inputs[1], pow.inputs[0])) {
    return std::nullopt;
  }
  if (const auto exponent = facts.FloatOf(pow.inputs[1])) return exponent;
  const Elements* elements = facts.ElementsOf(pow.inputs[1]);
  if (elements == nullptr || elements->values.size() != 1) return std::nullopt;
  const Size& exponent = elements->values[0];
  const bool is_small = exponent.IsKnown() && exponent.value > 0 && exponent.value < 10;
  return is_small ? std::optional(static_cast<float>(exponent.value)) : std::nullopt;
}

ValueId OtherOperand(const ProgramNode& node, ValueId value) {
  if (node.inputs.size() != 2 || node.inputs[0] == node.inputs[1]) return 0;
  if (node.inputs[0] == value) return node.inputs[1];
  return node.inputs[1] == value ? node.inputs[0] : 0;
}

std::vector<ValueId> FactorsOf(const Rewriter& rewriter, ValueId product) {
  const ProgramNode* node = rewriter.Producer(product, "Mul");
  if (node == nullptr) return {product};
  std::vector<ValueId> factors;
  CollectFactors(rewriter, *node, factors);
  return factors;
}

const onnx::Tensor* FloatConstant(const Program& program, ValueId value) {
  const auto found = program.constants.find(value);
  if (found == program.constants.end() || found->second.tensor == nullptr) return nullptr;
  const onnx::Tensor& tensor = *found->second.tensor;
  const bool is_float = onnx::TypeOf(tensor) == wire::ElementType::kFloat;
  return is_float && onnx::ByteCount(tensor) ? &tensor : nullptr;
}

const onnx::Tensor* RowConstant(const Program& program, const Facts& facts, ValueId value,
                                int64_t columns, ValueId matrix) {
  const onnx::Tensor* tensor = FloatConstant(program, value);
  if (tensor == nullptr || tensor->dims.empty() || tensor->dims.back() != columns) return nullptr;
  const auto is_one = [](int64_t dim) { return dim == 1; };
  if (!std::all_of(tensor->dims.begin(), tensor->dims.end() - 1, is_one)) return nullptr;
  return tensor->dims.size() == 1 || KeepsShape(facts, value, matrix) ? tensor : nullptr;
}

ProgramNode OwnNode(std::string_view op, std::vector<ValueId> inputs, ValueId output,
                    std::vector<ProgramAttribute> attributes) {
  return {.source = nullptr,
          .op = op,
          .domain = kOwnDomain,
          .inputs = std::move(inputs),
          .outputs = {output},
          .subgraphs = {},
          .attributes = std::move(attributes)};
}

}  // namespace ephemeralml::decompose
