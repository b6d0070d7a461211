#include "enclave/engine/kernels/lstm_cell.h"

#include <algorithm>
#include <cmath>

namespace ephemeralml::engine::kernels {
namespace {

float Sigmoid(float x, float, float) { return 1.0f / (1.0f + std::exp(-x)); }
float Tanh(float x, float, float) { return std::tanh(x); }
float Relu(float x, float, float) { return std::max(x, 0.0f); }
float Softsign(float x, float, float) { return x / (1.0f + std::abs(x)); }
float Softplus(float x, float, float) {
  return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0f);
}
float Affine(float x, float alpha, float beta) { return alpha * x + beta; }
float LeakyRelu(float x, float alpha, float) { return x < 0 ? alpha * x : x; }
float ThresholdedRelu(float x, float alpha, float) { return x > alpha ? x : 0; }
float ScaledTanh(float x, float alpha, float beta) { return alpha * std::tanh(beta * x); }
float HardSigmoid(float x, float alpha, float beta) {
  return std::clamp(alpha * x + beta, 0.0f, 1.0f);
}
float Elu(float x, float alpha, float) { return x < 0 ? alpha * std::expm1(x) : x; }

struct KnownActivation {
  std::string_view name;
  float (*function)(float, float, float);
  int parameters;
  float alpha;
  float beta;
};

constexpr auto kKnown = std::to_array<KnownActivation>({
    {"affine", Affine, 2, 1, 0},
    {"elu", Elu, 1, 1, 0},
    {"hardsigmoid", HardSigmoid, 2, 0.2f, 0.5f},
    {"leakyrelu", LeakyRelu, 1, 0.01f, 0},
    {"relu", Relu, 0, 0, 0},
    {"scaledtanh", ScaledTanh, 2, 1, 1},
    {"sigmoid", Sigmoid, 0, 0, 0},
    {"softplus", Softplus, 0, 0, 0},
    {"softsign", Softsign, 0, 0, 0},
    {"tanh", Tanh, 0, 0, 0},
    {"thresholdedrelu", ThresholdedRelu, 1, 1, 0},
});

std::string LowerCase(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

float Clipped(float x, float clip) { return clip > 0 ? std::clamp(x, -clip, clip) : x; }

}  // namespace

Result<std::vector<RecurrentActivation>> ReadActivations(const Attributes& attributes,
                                                         size_t directions) {
  std::vector<std::string> names;
  for (size_t i = 0; i < directions; ++i) names.insert(names.end(), {"Sigmoid", "Tanh", "Tanh"});
  TRY(names, attributes.Strings("activations", names));
  TRY(const std::vector<float> alphas, attributes.Floats("activation_alpha", {}));
  TRY(const std::vector<float> betas, attributes.Floats("activation_beta", {}));
  if (names.size() != 3 * directions) {
    return AttributeInvalid("LSTM: `activations` must name three functions for each direction");
  }
  std::vector<RecurrentActivation> activations;
  size_t alphas_taken = 0;
  size_t betas_taken = 0;
  for (const std::string& name : names) {
    const auto known = std::ranges::find(kKnown, LowerCase(name), &KnownActivation::name);
    if (known == kKnown.end()) return AttributeInvalid("LSTM: an unknown activation function");
    RecurrentActivation activation{known->function, known->alpha, known->beta};
    if (known->parameters > 0 && alphas_taken < alphas.size())
      activation.alpha = alphas[alphas_taken++];
    if (known->parameters > 1 && betas_taken < betas.size()) activation.beta = betas[betas_taken++];
    activations.push_back(activation);
  }
  return activations;
}

void LstmCell::Step(std::span<float> gates, std::span<float> c, std::span<float> h) const {
  const size_t hidden = c.size();
  const auto peephole = [&](size_t gate, size_t i, float state) {
    return peepholes.empty() ? 0.0f : peepholes[gate * hidden + i] * state;
  };
  for (size_t i = 0; i < hidden; ++i) {
    const float input = activations[0](Clipped(gates[i] + peephole(0, i, c[i]), clip));
    const float forget =
        couples_input_and_forget
            ? 1.0f - input
            : activations[0](Clipped(gates[2 * hidden + i] + peephole(2, i, c[i]), clip));
    const float candidate = activations[1](Clipped(gates[3 * hidden + i], clip));
    c[i] = forget * c[i] + input * candidate;
    const float output = activations[0](Clipped(gates[hidden + i] + peephole(1, i, c[i]), clip));
    h[i] = output * activations[2](c[i]);
  }
}

}  // namespace ephemeralml::engine::kernels
