#include "client/tensors/narrow_float.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ephemeralml::tensors {
namespace {

int Bias(NarrowFloat format) { return (1 << (format.exponent_bits - 1)) - 1; }

int InfinityBits(NarrowFloat format) {
  return ((1 << format.exponent_bits) - 1) << format.fraction_bits;
}

}  // namespace

float Widen(NarrowFloat format, uint16_t bits) {
  const int magnitude = bits & 0x7fff;
  const int exponent = magnitude >> format.fraction_bits;
  const int fraction = magnitude & ((1 << format.fraction_bits) - 1);
  float value = 0;
  if (magnitude >= InfinityBits(format)) {
    value = fraction == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), 1 - Bias(format) - format.fraction_bits);
  } else {
    value = std::ldexp(static_cast<float>(fraction | 1 << format.fraction_bits),
                       exponent - Bias(format) - format.fraction_bits);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

uint16_t Narrow(NarrowFloat format, double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  int bits = 0;
  if (std::isnan(value)) {
    bits = InfinityBits(format) | 1 << (format.fraction_bits - 1);
  } else if (std::isinf(value)) {
    bits = InfinityBits(format);
  } else if (magnitude > 0) {
    const int smallest = 1 - Bias(format);
    const int exponent = std::max(std::ilogb(magnitude), smallest);
    if (exponent > Bias(format)) return sign | static_cast<uint16_t>(InfinityBits(format));
    // Scaling by a power of two is exact; nearbyint rounds ties to even. A fraction that rounds up
    // to the next power of two carries into the exponent's bits, as it must.
    const double steps = std::nearbyint(std::ldexp(magnitude, format.fraction_bits - exponent));
    bits = ((exponent - smallest) << format.fraction_bits) + static_cast<int>(steps);
  }
  return sign | static_cast<uint16_t>(bits);
}

}  // namespace ephemeralml::tensors
