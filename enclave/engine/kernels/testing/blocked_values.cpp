#include "enclave/engine/kernels/testing/blocked_values.h"

namespace ephemeralml::engine::testing {

std::vector<float> Block(const Shape& shape, const std::vector<float>& plain) {
  const auto pixels = static_cast<size_t>(shape[2] * shape[3]);
  const auto channels = static_cast<size_t>(shape[1]);
  const size_t blocks = (channels + 15) / 16;
  std::vector<float> blocked(static_cast<size_t>(shape[0]) * blocks * pixels * 16);
  for (size_t i = 0; i < plain.size(); ++i) {
    const size_t pixel = i % pixels, channel = i / pixels % channels, image = i / pixels / channels;
    blocked[((image * blocks + channel / 16) * pixels + pixel) * 16 + channel % 16] = plain[i];
  }
  return blocked;
}

Shape BlockedShape(const Shape& shape) {
  return {shape[0], (shape[1] + 15) / 16, shape[2], shape[3], 16};
}

}  // namespace ephemeralml::engine::testing
