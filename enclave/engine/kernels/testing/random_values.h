#pragma once
// Reproducible numbers for kernels' tests.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ephemeralml::engine::testing {

/// `count` numbers in [-2, 2], the same for the same seed.
std::vector<float> RandomValues(size_t count, uint64_t seed);

/// `count` numbers (i * 37 + seed * 11) % 29 - 14 over `divisor`: for expected outputs that other
/// implementations computed and that are written into a test.
std::vector<float> PatternValues(size_t count, uint64_t seed, float divisor = 8);

}  // namespace ephemeralml::engine::testing
