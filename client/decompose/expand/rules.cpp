// Activations, and convolutions with one.

#include <array>

#include "client/decompose/expand/rules.h"

namespace ephemeralml::decompose {
namespace {

constexpr float kQuickGeluAlpha = 1.702F;

bool GiveGelu(Composer& composer, ValueId value, std::string_view approximate) {
  composer.Give(0, composer.MakeOwn("Gelu", {value}, {{"approximate", approximate}}));
  return true;
}

// x * sigmoid(alpha * x).
bool GiveSigmoidProduct(Composer& composer, float alpha) {
  const ValueId x = composer.Input(0);
  const ValueId inner = alpha == 1 ? x : composer.Make("Mul", {x, composer.Float(alpha)});
  composer.Give(0, composer.Make("Mul", {x, composer.Make("Sigmoid", {inner})}));
  return true;
}

// What FusedConv applies to its sums; 0 if it isn't known.
ValueId Activate(Composer& composer, ValueId value) {
  const std::string_view activation = StringAttribute(composer.node(), "activation").value_or("");
  std::vector<float> numbers;
  for (const onnx::Attribute& attribute : composer.node().source->attributes) {
    if (attribute.name == "activation_params") numbers = attribute.floats;
  }
  if (activation.empty()) return value;
  if (activation == "Relu" || activation == "Tanh" || activation == "Sigmoid") {
    return composer.Make(activation, {value});
  }
  if (activation == "LeakyRelu" && numbers.size() == 1) {
    return composer.Make("LeakyRelu", {value}, {{"alpha", numbers[0]}});
  }
  if (activation == "HardSigmoid" && numbers.size() == 2) {
    return composer.Make("HardSigmoid", {value}, {{"alpha", numbers[0]}, {"beta", numbers[1]}});
  }
  if (activation == "Clip" && numbers.size() == 2) {
    if (composer.opset() < 11) {
      return composer.Make("Clip", {value}, {{"min", numbers[0]}, {"max", numbers[1]}});
    }
    return composer.Make("Clip", {value, composer.Float(numbers[0]), composer.Float(numbers[1])});
  }
  return 0;
}

}  // namespace

bool ExpandGelu(Composer& composer) { return GiveGelu(composer, composer.Input(0), "none"); }

bool ExpandBiasGelu(Composer& composer) {
  return GiveGelu(composer, composer.AddInput(composer.Input(0), 1), "none");
}

bool ExpandFastGelu(Composer& composer) {
  return GiveGelu(composer, composer.AddInput(composer.Input(0), 1), "tanh");
}

bool ExpandQuickGelu(Composer& composer) {
  return GiveSigmoidProduct(composer,
                            FloatAttribute(composer.node(), "alpha").value_or(kQuickGeluAlpha));
}

bool ExpandSwish(Composer& composer) {
  return GiveSigmoidProduct(composer, FloatAttribute(composer.node(), "alpha").value_or(1));
}

bool ExpandFusedConv(Composer& composer) {
  constexpr std::array<std::string_view, 6> kNames = {"auto_pad",     "dilations", "group",
                                                      "kernel_shape", "pads",      "strides"};
  const ValueId sums = composer.Make(
      "Conv", {composer.Input(0), composer.Input(1), composer.Input(2)}, composer.Copy(kNames));
  const ValueId activated = Activate(composer, composer.AddInput(sums, 3));
  if (activated == 0) return false;
  composer.Give(0, activated);
  return true;
}

}  // namespace ephemeralml::decompose
