#include "enclave/engine/base/testing/random_values.h"

#include <random>

namespace ephemeralml::engine::testing {

std::vector<float> RandomValues(size_t count, uint64_t seed, float largest) {
  std::mt19937_64 engine(seed);
  std::vector<float> values(count);
  // Not std::uniform_real_distribution: its numbers differ between standard libraries.
  for (float& value : values) {
    value = static_cast<float>(static_cast<int64_t>(engine() % 4001) - 2000) / 2000.0f * largest;
  }
  return values;
}

std::vector<float> PatternValues(size_t count, uint64_t seed, float divisor) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = (static_cast<float>((i * 37 + seed * 11) % 29) - 14) / divisor;
  }
  return values;
}

}  // namespace ephemeralml::engine::testing
