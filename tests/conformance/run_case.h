#pragma once
// One case, taken through the product's path in all the ways that must not make a difference:
// inputs as they are, and all but one of them made weights; prepared at decomposition, and not.

#include <string>

#include "tests/conformance/product.h"

namespace ephemeralml::conformance {

struct Outcome {
  bool passed = true;
  std::string why;  ///< of the first run that failed
};

Outcome RunCase(Product& product, const Case& test);

/// Operators of the model, subgraphs and functions apart, that the product doesn't list, as
/// "domain::Name-version".
std::vector<std::string> MissingOperators(const ::onnx::ModelProto& model);

}  // namespace ephemeralml::conformance
