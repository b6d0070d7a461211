#pragma once
// The activation functions that recurrent operators choose by name.

#include <span>
#include <string>
#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

class RecurrentActivation {
 public:
  /// One for each name. Those that have parameters take them from the lists in turn, or have ONNX's
  /// defaults where a list has ended. Names in either case, as exporters write both.
  /// Errors: kMalformed `attribute_invalid` (another name).
  static Result<std::vector<RecurrentActivation>> Read(const std::vector<std::string>& names,
                                                       const std::vector<float>& alphas,
                                                       const std::vector<float>& betas);

  void Apply(std::span<float> values) const;

 private:
  enum class Kind {
    kAffine,
    kElu,
    kHardSigmoid,
    kLeakyRelu,
    kRelu,
    kScaledTanh,
    kSigmoid,
    kSoftplus,
    kSoftsign,
    kTanh,
    kThresholdedRelu,
  };
  struct Definition;
  static const Definition* Find(std::string name);

  RecurrentActivation(Kind kind, float alpha, float beta)
      : kind_(kind), alpha_(alpha), beta_(beta) {}

  Kind kind_;
  float alpha_;
  float beta_;
};

}  // namespace ephemeralml::engine::kernels
