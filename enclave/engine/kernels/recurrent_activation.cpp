#include "enclave/engine/kernels/recurrent_activation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/vector_math.h"

namespace ephemeralml::engine::kernels {
namespace {

EPHEMERAL_MULTIVERSION void ApplySigmoid(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) values[i] = Sigmoid(values[i]);
}

EPHEMERAL_MULTIVERSION void ApplyTanh(float* values, size_t count, float alpha, float beta) {
  for (size_t i = 0; i < count; ++i) values[i] = alpha * Tanh(beta * values[i]);
}

template <class Function>
void ApplyEach(std::span<float> values, Function function) {
  for (float& value : values) value = function(value);
}

}  // namespace

// A parameter without a default isn't one of the function's.
struct RecurrentActivation::Definition {
  std::string_view name;
  Kind kind;
  std::optional<float> alpha;
  std::optional<float> beta;
};

const RecurrentActivation::Definition* RecurrentActivation::Find(std::string name) {
  static constexpr auto kDefinitions = std::to_array<Definition>({
      {"affine", Kind::kAffine, 1.0f, 0.0f},
      {"elu", Kind::kElu, 1.0f, {}},
      {"hardsigmoid", Kind::kHardSigmoid, 0.2f, 0.5f},
      {"leakyrelu", Kind::kLeakyRelu, 0.01f, {}},
      {"relu", Kind::kRelu, {}, {}},
      {"scaledtanh", Kind::kScaledTanh, 1.0f, 1.0f},
      {"sigmoid", Kind::kSigmoid, {}, {}},
      {"softplus", Kind::kSoftplus, {}, {}},
      {"softsign", Kind::kSoftsign, {}, {}},
      {"tanh", Kind::kTanh, {}, {}},
      {"thresholdedrelu", Kind::kThresholdedRelu, 1.0f, {}},
  });
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto found = std::ranges::find(kDefinitions, name, &Definition::name);
  return found == kDefinitions.end() ? nullptr : &*found;
}

Result<std::vector<RecurrentActivation>> RecurrentActivation::Read(
    const std::vector<std::string>& names, const std::vector<float>& alphas,
    const std::vector<float>& betas) {
  std::vector<RecurrentActivation> activations;
  size_t next_alpha = 0;
  size_t next_beta = 0;
  const auto take = [](std::optional<float> fallback, const std::vector<float>& list,
                       size_t& next) {
    if (!fallback) return 0.0f;
    return next < list.size() ? list[next++] : *fallback;
  };
  for (const std::string& name : names) {
    const Definition* definition = Find(name);
    if (definition == nullptr) {
      return AttributeInvalid("attribute 'activations' names '" + name + "', which isn't known");
    }
    const float alpha = take(definition->alpha, alphas, next_alpha);
    const float beta = take(definition->beta, betas, next_beta);
    activations.push_back({definition->kind, alpha, beta});
  }
  return activations;
}

void RecurrentActivation::Apply(std::span<float> values) const {
  const float a = alpha_;
  const float b = beta_;
  switch (kind_) {
    case Kind::kAffine:
      return ApplyEach(values, [=](float x) { return a * x + b; });
    case Kind::kElu:
      return ApplyEach(values, [=](float x) { return x < 0 ? a * std::expm1(x) : x; });
    case Kind::kHardSigmoid:
      return ApplyEach(values, [=](float x) { return std::clamp(a * x + b, 0.0f, 1.0f); });
    case Kind::kLeakyRelu:
      return ApplyEach(values, [=](float x) { return x < 0 ? a * x : x; });
    case Kind::kRelu:
      return ApplyEach(values, [](float x) { return x > 0 ? x : 0; });
    case Kind::kScaledTanh:
      return ApplyTanh(values.data(), values.size(), a, b);
    case Kind::kSigmoid:
      return ApplySigmoid(values.data(), values.size());
    case Kind::kSoftplus:
      return ApplyEach(
          values, [](float x) { return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0f); });
    case Kind::kSoftsign:
      return ApplyEach(values, [](float x) { return x / (1 + std::abs(x)); });
    case Kind::kTanh:
      return ApplyTanh(values.data(), values.size(), 1, 1);
    case Kind::kThresholdedRelu:
      return ApplyEach(values, [=](float x) { return x > a ? x : 0; });
  }
}

}  // namespace ephemeralml::engine::kernels
