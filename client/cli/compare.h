#pragma once
// How far a run's outputs are from those of another: what half precision costs on given inputs.

#include <string>
#include <vector>

#include "client/tensors/tensors.h"

namespace ephemeralml::cli {

struct Difference {
  std::string output;
  double largest = 0;  ///< of |ours - reference| over all elements; infinite if NaN is in one
  double largest_reference = 0;  ///< of |reference|
};

/// For every output of the type float. Errors: kInvalidArgument `comparison_mismatch` (the
/// reference lacks an output, or has it with another type or shape).
Result<std::vector<Difference>> Compare(const std::vector<tensors::NamedTensor>& outputs,
                                        const std::vector<tensors::NamedTensor>& reference);

}  // namespace ephemeralml::cli
