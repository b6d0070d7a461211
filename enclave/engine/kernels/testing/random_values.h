#pragma once
// Reproducible numbers for kernels' tests.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ephemeralml::engine::testing {

/// `count` numbers in [-2, 2], the same for the same seed.
std::vector<float> RandomValues(size_t count, uint64_t seed);

}  // namespace ephemeralml::engine::testing
