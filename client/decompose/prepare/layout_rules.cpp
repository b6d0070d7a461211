#include "client/decompose/prepare/layout_rules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

// |f(x)| <= |x| + 1 for all of these.
constexpr auto kTame = std::to_array<std::string_view>(
    {"Abs", "Ceil", "Cos", "Erf", "Floor", "Gelu", "HardSwish", "Neg", "Relu", "Round", "Sigmoid",
     "Sign", "Sin", "Softplus", "Tanh"});
static_assert(std::ranges::is_sorted(kTame));

double Magnitude(float value) { return std::abs(static_cast<double>(value)); }

// Bounds raise what is below the lower one, and lower what is above the upper one.
double ClippedLanes(double lanes, float low, float high) {
  return std::max({lanes, static_cast<double>(low), -static_cast<double>(high)});
}

std::optional<double> ClipLanes(const Facts& facts, const ProgramNode& node, double lanes) {
  if (facts.opset() < 11) {
    return ClippedLanes(lanes, FloatAttribute(node, "min").value_or(0),
                        FloatAttribute(node, "max").value_or(0));
  }
  const auto bound = [&](size_t input) {
    return InputOf(node, input) == 0 ? std::optional(0.0F) : facts.FloatOf(node.inputs[input]);
  };
  const auto low = bound(1);
  const auto high = bound(2);
  return low && high ? std::optional(ClippedLanes(lanes, *low, *high)) : std::nullopt;
}

double LeakyLanes(double lanes, float alpha) { return lanes * std::max(1.0, Magnitude(alpha)); }

}  // namespace

std::optional<double> UnaryLanes(const Facts& facts, const ProgramNode& node, double lanes) {
  if (IsOwn(node, "Gelu")) return lanes + 1;
  if (!node.domain.empty()) return std::nullopt;
  if (std::ranges::binary_search(kTame, node.op)) return lanes + 1;
  if (node.op == "HardSigmoid") return 1;
  if (node.op == "LeakyRelu") {
    return LeakyLanes(lanes, FloatAttribute(node, "alpha").value_or(0.01F));
  }
  if (node.op == "Clip") return ClipLanes(facts, node, lanes);
  return std::nullopt;
}

double ActivationLanes(const ProgramNode& node, double lanes) {
  const auto name = StringAttribute(node, "activation").value_or("");
  const float alpha = FloatAttribute(node, "activation_alpha").value_or(0);
  const float beta = FloatAttribute(node, "activation_beta").value_or(0);
  if (name == "Clip") return ClippedLanes(lanes, alpha, beta);
  return name == "LeakyRelu" ? LeakyLanes(lanes, alpha) : lanes + 1;
}

std::optional<double> BinaryLanes(const ProgramNode& node, double a, double b) {
  if (!node.domain.empty()) return std::nullopt;
  if (node.op == "Add" || node.op == "Sub") return a + b;
  if (node.op == "Mul") return a * b;
  return std::nullopt;
}

}  // namespace ephemeralml::decompose
