#include "enclave/engine/kernels/epilogue.h"

#include <algorithm>
#include <array>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

struct Name {
  std::string_view name;
  panels::Activation activation;
};

constexpr auto kNames = std::to_array<Name>({
    {"", panels::Activation::kNone},
    {"Clip", panels::Activation::kClip},
    {"Gelu", panels::Activation::kGelu},
    {"HardSigmoid", panels::Activation::kHardSigmoid},
    {"HardSwish", panels::Activation::kHardSwish},
    {"LeakyRelu", panels::Activation::kLeakyRelu},
    {"Relu", panels::Activation::kRelu},
    {"Sigmoid", panels::Activation::kSigmoid},
    {"Tanh", panels::Activation::kTanh},
});

}  // namespace

Result<panels::Epilogue> ReadEpilogue(const Attributes& attributes, const std::string& name) {
  TRY(const std::string activation, attributes.String(name, ""));
  const auto* found = std::ranges::find(kNames, activation, &Name::name);
  if (found == kNames.end()) return AttributeInvalid("the activation isn't one of those known");
  panels::Epilogue epilogue{found->activation};
  TRY(epilogue.alpha, attributes.Float(name + "_alpha", 0));
  TRY(epilogue.beta, attributes.Float(name + "_beta", 0));
  return epilogue;
}

}  // namespace ephemeralml::engine::kernels
