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

// What a fused operator applies to its sums; 0 if it isn't known.
ValueId Activate(Composer& composer, ValueId value, const std::vector<float>& numbers) {
  const std::string_view activation = StringAttribute(composer.node(), "activation").value_or("");
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

bool ExpandBiasAdd(Composer& composer) {
  composer.Give(0, composer.AddInput(composer.AddInput(composer.Input(0), 1), 2));
  return true;
}

// The first half of the columns, times Gelu of the second.
bool ExpandBiasSplitGelu(Composer& composer) {
  const ValueId sum = composer.AddInput(composer.Input(0), 1);
  ProgramAttributes attributes = {{"axis", int64_t{-1}}};
  if (composer.opset() >= 18) attributes.push_back({"num_outputs", int64_t{2}});
  const std::vector<ValueId> halves =
      composer.MakeSeveral("Split", {sum}, 2, std::move(attributes));
  const ValueId gate = composer.MakeOwn("Gelu", {halves[1]});
  composer.Give(0, composer.Make("Mul", {halves[0], gate}));
  return true;
}

bool ExpandFusedGemm(Composer& composer) {
  constexpr std::array<std::string_view, 4> kNames = {"alpha", "beta", "transA", "transB"};
  const ValueId sums = composer.Make(
      "Gemm", {composer.Input(0), composer.Input(1), composer.Input(2)}, composer.Copy(kNames));
  std::vector<float> numbers;
  for (const char* name : {"activation_alpha", "activation_beta"}) {
    if (const auto number = FloatAttribute(composer.node(), name)) numbers.push_back(*number);
  }
  const ValueId activated = Activate(composer, sums, numbers);
  if (activated == 0) return false;
  composer.Give(0, activated);
  return true;
}

// Before version 9 the scales were attributes.
bool ExpandUpsample(Composer& composer) {
  if (composer.opset() >= 9) return false;
  std::vector<float> scales;
  for (const onnx::Attribute& attribute : composer.node().source->attributes) {
    if (attribute.name == "scales") scales = attribute.floats;
  }
  const auto height = FloatAttribute(composer.node(), "height_scale");
  const auto width = FloatAttribute(composer.node(), "width_scale");
  if (scales.empty() && height && width) scales = {1, 1, *height, *width};
  if (scales.empty()) return false;
  const ValueId factors = composer.Literal(
      wire::ElementType::kFloat, {static_cast<int64_t>(scales.size())},
      {reinterpret_cast<const uint8_t*>(scales.data()), scales.size() * sizeof(float)});
  std::string_view mode = StringAttribute(composer.node(), "mode").value_or("nearest");
  if (mode == "bilinear") mode = "linear";  // as version 1 calls it
  composer.Give(0, composer.MakeOwn("Upsample", {composer.Input(0), factors}, {{"mode", mode}}));
  return true;
}

bool ExpandFusedConv(Composer& composer) {
  constexpr std::array<std::string_view, 6> kNames = {"auto_pad",     "dilations", "group",
                                                      "kernel_shape", "pads",      "strides"};
  const ValueId sums = composer.Make(
      "Conv", {composer.Input(0), composer.Input(1), composer.Input(2)}, composer.Copy(kNames));
  std::vector<float> numbers;
  for (const onnx::Attribute& attribute : composer.node().source->attributes) {
    if (attribute.name == "activation_params") numbers = attribute.floats;
  }
  const ValueId activated = Activate(composer, composer.AddInput(sums, 3), numbers);
  if (activated == 0) return false;
  composer.Give(0, activated);
  return true;
}

}  // namespace ephemeralml::decompose
