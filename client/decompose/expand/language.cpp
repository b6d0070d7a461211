// Normalizations of embeddings and hidden states.

#include <array>

#include "client/decompose/expand/rules.h"

namespace ephemeralml::decompose {
namespace {

// What ONNX Runtime's operators take for an epsilon that isn't given.
constexpr float kSkipEpsilon = 1e-12F;
constexpr float kSimplifiedEpsilon = 1e-5F;

float EpsilonOf(const Composer& composer, float fallback) {
  return FloatAttribute(composer.node(), "epsilon").value_or(fallback);
}

ValueId Normalize(Composer& composer, ValueId value, size_t scale, size_t bias, float epsilon) {
  return composer.MakeOwn("LayerNormalization",
                          {value, composer.Input(scale), composer.Input(bias)},
                          {{"axis", int64_t{-1}}, {"epsilon", epsilon}});
}

// Positions 0, 1, … of as many columns as the word numbers have.
ValueId Positions(Composer& composer) {
  const ValueId shape = composer.Make("Shape", {composer.Input(0)});
  const ValueId length = composer.Make("Gather", {shape, composer.Integer(1)});
  return composer.Make("Range", {composer.Integer(0), length, composer.Integer(1)});
}

// How many words of each row count: 0 without a mask.
ValueId MaskIndex(Composer& composer) {
  ValueId counted = composer.Input(7);
  if (counted == 0) {
    const int32_t zero = 0;
    const ValueId nothing = composer.Literal(
        wire::ElementType::kInt32, {}, {reinterpret_cast<const uint8_t*>(&zero), sizeof(zero)});
    counted = composer.Make("Mul", {composer.Input(0), nothing});
  }
  if (composer.opset() >= 13) {
    return composer.Make("ReduceSum", {counted, composer.Integers({1})},
                         {{"keepdims", int64_t{0}}});
  }
  return composer.Make("ReduceSum", {counted},
                       {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{0}}});
}

}  // namespace

// Exporters wrote it into ai.onnx before that had it.
bool ExpandLayerNormalization(Composer& composer) {
  constexpr std::array<std::string_view, 3> kNames = {"axis", "epsilon", "stash_type"};
  if (composer.opset() >= 17 && composer.node().domain.empty()) return false;
  if (composer.HasOutput(1) || composer.HasOutput(2)) return false;
  composer.Give(0, composer.MakeOwn("LayerNormalization",
                                    {composer.Input(0), composer.Input(1), composer.Input(2)},
                                    composer.Copy(kNames)));
  return true;
}

bool ExpandSimplifiedLayerNormalization(Composer& composer) {
  constexpr std::array<std::string_view, 3> kNames = {"axis", "epsilon", "stash_type"};
  if (composer.HasOutput(1)) return false;
  composer.Give(0, composer.MakeOwn("RMSNormalization", {composer.Input(0), composer.Input(1)},
                                    composer.Copy(kNames)));
  return true;
}

bool ExpandSkipLayerNormalization(Composer& composer) {
  if (composer.HasOutput(1) || composer.HasOutput(2)) return false;
  const ValueId sum =
      composer.AddInput(composer.Make("Add", {composer.Input(0), composer.Input(1)}), 4);
  const ValueId normalized = Normalize(composer, sum, 2, 3, EpsilonOf(composer, kSkipEpsilon));
  composer.Give(0, normalized);
  composer.Give(3, sum);
  return true;
}

bool ExpandSkipSimplifiedLayerNormalization(Composer& composer) {
  if (composer.HasOutput(1) || composer.HasOutput(2)) return false;
  const ValueId sum =
      composer.AddInput(composer.Make("Add", {composer.Input(0), composer.Input(1)}), 3);
  const ValueId normalized = composer.MakeOwn(
      "RMSNormalization", {sum, composer.Input(2)},
      {{"axis", int64_t{-1}}, {"epsilon", EpsilonOf(composer, kSimplifiedEpsilon)}});
  composer.Give(0, normalized);
  composer.Give(3, sum);
  return true;
}

bool ExpandEmbedLayerNormalization(Composer& composer) {
  const ValueId positions = composer.Has(8) ? composer.Input(8) : Positions(composer);
  const ValueId words = composer.Make("Gather", {composer.Input(2), composer.Input(0)});
  const ValueId places = composer.Make("Gather", {composer.Input(3), positions});
  ValueId sum = composer.Make("Add", {words, places});
  if (composer.Has(1) != composer.Has(4)) return false;
  if (composer.Has(1)) {
    const ValueId segments = composer.Make("Gather", {composer.Input(4), composer.Input(1)});
    sum = composer.Make("Add", {sum, segments});
  }
  const ValueId normalized = Normalize(composer, sum, 5, 6, EpsilonOf(composer, kSkipEpsilon));
  if (composer.HasOutput(1)) composer.Give(1, MaskIndex(composer));
  composer.Give(0, normalized);
  composer.Give(2, sum);
  return true;
}

}  // namespace ephemeralml::decompose
