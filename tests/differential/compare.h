#pragma once
// When two implementations' outputs count as the same.

#include "tests/differential/tensors.h"

namespace ephemeralml::differential {

/// Empty if they agree, else what differs. Floating-point numbers may differ by rounding; 8-bit
/// integers by one, where `rounds` says that they were rounded from sums.
std::string Difference(const NamedTensor& ours, const NamedTensor& theirs, bool rounds);

}  // namespace ephemeralml::differential
