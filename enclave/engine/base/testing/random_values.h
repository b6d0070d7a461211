#pragma once
// Reproducible numbers for tests.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ephemeralml::engine::testing {

/// `count` numbers in [-largest, largest], the same for the same seed.
std::vector<float> RandomValues(size_t count, uint64_t seed, float largest = 2);

/// `count` numbers (i * 37 + seed * 11) % 29 - 14 over `divisor`: for expected outputs that other
/// implementations computed and that are written into a test.
std::vector<float> PatternValues(size_t count, uint64_t seed, float divisor = 8);

}  // namespace ephemeralml::engine::testing
