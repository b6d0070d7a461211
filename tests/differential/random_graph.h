#pragma once
// Random small graphs of the operators that the engine has. Shapes have zeros and ones; axes,
// strides, pads and the like are drawn with them.

#include "tests/differential/tensors.h"

namespace ephemeralml::differential {

struct RandomGraph {
  Bytes model;
  std::vector<NamedTensor> inputs;
  bool with_preparation = true;
  bool rounds = false;  ///< an output was rounded from sums
  std::string operators;
  std::vector<std::string> operator_names;
  std::string text;  ///< for whoever looks into a disagreement
};

/// Draws from RapidCheck's source: only within a property. With `only`, one node of that operator.
RandomGraph MakeRandomGraph(const std::string& only);

}  // namespace ephemeralml::differential
