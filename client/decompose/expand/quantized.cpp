// Operators over quantized numbers: taken apart into DequantizeLinear, what they do, and
// QuantizeLinear, or into exact integer products.

#include <array>

#include "client/decompose/expand/rules.h"

namespace ephemeralml::decompose {
namespace {

constexpr float kLeakyReluAlpha = 0.01F;

// The number whose value, scale and zero point are inputs `first` and the two after it.
ValueId Dequantize(Composer& composer, size_t first) {
  return composer.MakeOwn("DequantizeLinear", {composer.Input(first), composer.Input(first + 1),
                                               composer.Input(first + 2)});
}

bool GiveQuantized(Composer& composer, ValueId value, size_t scale, size_t zero_point) {
  composer.Give(0, composer.MakeOwn("QuantizeLinear",
                                    {value, composer.Input(scale), composer.Input(zero_point)}));
  return true;
}

bool GiveBinary(Composer& composer, std::string_view op) {
  const ValueId result = composer.Make(op, {Dequantize(composer, 0), Dequantize(composer, 3)});
  return GiveQuantized(composer, result, 6, 7);
}

bool GiveUnary(Composer& composer, std::string_view op, ProgramAttributes attributes = {}) {
  const ValueId result = composer.Make(op, {Dequantize(composer, 0)}, std::move(attributes));
  return GiveQuantized(composer, result, 3, 4);
}

ValueId AsFloat(Composer& composer, ValueId value) {
  return composer.Make("Cast", {value}, {{"to", static_cast<int64_t>(wire::ElementType::kFloat)}});
}

ValueId TransposeIf(Composer& composer, ValueId matrix, std::string_view attribute) {
  if (IntAttribute(composer.node(), attribute).value_or(0) == 0) return matrix;
  return composer.Make("Transpose", {matrix}, {{"perm", std::vector<int64_t>{1, 0}}});
}

// What DequantizeLinear and QuantizeLinear of ONNX Runtime's own domain may have.
bool GiveLinear(Composer& composer, std::string_view op) {
  constexpr std::array<std::string_view, 1> kNames = {"axis"};
  composer.Give(0, composer.MakeOwn(op, {composer.Input(0), composer.Input(1), composer.Input(2)},
                                    composer.Copy(kNames)));
  return true;
}

}  // namespace

bool ExpandContributedDequantizeLinear(Composer& composer) {
  return GiveLinear(composer, "DequantizeLinear");
}

bool ExpandContributedQuantizeLinear(Composer& composer) {
  return GiveLinear(composer, "QuantizeLinear");
}

bool ExpandQLinearAdd(Composer& composer) { return GiveBinary(composer, "Add"); }
bool ExpandQLinearMul(Composer& composer) { return GiveBinary(composer, "Mul"); }
bool ExpandQLinearSigmoid(Composer& composer) { return GiveUnary(composer, "Sigmoid"); }

bool ExpandQLinearLeakyRelu(Composer& composer) {
  const float alpha = FloatAttribute(composer.node(), "alpha").value_or(kLeakyReluAlpha);
  return GiveUnary(composer, "LeakyRelu", {{"alpha", alpha}});
}

bool ExpandQLinearGlobalAveragePool(Composer& composer) {
  if (IntAttribute(composer.node(), "channels_last").value_or(0) != 0) return false;
  return GiveUnary(composer, "GlobalAveragePool");
}

bool ExpandQLinearConcat(Composer& composer) {
  const size_t count = composer.node().inputs.size();
  const auto axis = IntAttribute(composer.node(), "axis");
  if (count < 5 || count % 3 != 2 || !axis) return false;
  std::vector<ValueId> parts;
  for (size_t first = 2; first < count; first += 3) parts.push_back(Dequantize(composer, first));
  return GiveQuantized(composer, composer.Make("Concat", parts, {{"axis", *axis}}), 0, 1);
}

bool ExpandQLinearAveragePool(Composer& composer) {
  constexpr std::array<std::string_view, 6> kNames = {
      "auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"};
  if (IntAttribute(composer.node(), "channels_last").value_or(0) != 0) return false;
  return GiveUnary(composer, "AveragePool", composer.Copy(kNames));
}

// Its `opset` says whose Softmax it does; the model's own must be of the same kind.
bool ExpandQLinearSoftmax(Composer& composer) {
  constexpr int64_t kAlongOneAxis = 13;
  const auto version = IntAttribute(composer.node(), "opset");
  const bool is_new = composer.opset() >= kAlongOneAxis;
  if (!version || (*version >= kAlongOneAxis) != is_new) return false;
  const int64_t axis = IntAttribute(composer.node(), "axis").value_or(is_new ? -1 : 1);
  return GiveUnary(composer, "Softmax", {{"axis", axis}});
}

bool ExpandQLinearWhere(Composer& composer) {
  const ValueId chosen =
      composer.Make("Where", {composer.Input(0), Dequantize(composer, 1), Dequantize(composer, 4)});
  return GiveQuantized(composer, chosen, 7, 8);
}

bool ExpandDynamicQuantizeMatMul(Composer& composer) {
  const auto quantized = composer.MakeSeveral("DynamicQuantizeLinear", {composer.Input(0)}, 3);
  const ValueId sums = composer.Make(
      "MatMulInteger", {quantized[0], composer.Input(1), quantized[2], composer.Input(3)});
  const ValueId scale = composer.Make("Mul", {quantized[1], composer.Input(2)});
  const ValueId product = composer.Make("Mul", {AsFloat(composer, sums), scale});
  // Without a bias the product is the output; with one, the sum is.
  composer.Give(0, composer.AddInput(product, 4));
  return true;
}

bool ExpandMatMulIntegerToFloat(Composer& composer) {
  const ValueId sums = composer.Make("MatMulInteger", {composer.Input(0), composer.Input(1),
                                                       composer.Input(4), composer.Input(5)});
  const ValueId scale = composer.Make("Mul", {composer.Input(2), composer.Input(3)});
  const ValueId product = composer.Make("Mul", {AsFloat(composer, sums), scale});
  composer.Give(0, composer.AddInput(product, 6));
  return true;
}

// Its C is counted in units of alpha * A's scale * B's scale, as the sums are.
bool ExpandQGemm(Composer& composer) {
  const ValueId a = TransposeIf(composer, composer.Input(0), "transA");
  const ValueId b = TransposeIf(composer, composer.Input(3), "transB");
  const ValueId sums = composer.Make("MatMulInteger", {a, b, composer.Input(2), composer.Input(5)});
  const ValueId counted = composer.AddInput(sums, 6);
  ValueId scale = composer.Make("Mul", {composer.Input(1), composer.Input(4)});
  const float alpha = FloatAttribute(composer.node(), "alpha").value_or(1);
  if (alpha != 1) scale = composer.Make("Mul", {scale, composer.Float(alpha)});
  const ValueId result = composer.Make("Mul", {AsFloat(composer, counted), scale});
  if (composer.Has(7)) return GiveQuantized(composer, result, 7, 8);
  composer.Give(0, result);
  return true;
}

}  // namespace ephemeralml::decompose
