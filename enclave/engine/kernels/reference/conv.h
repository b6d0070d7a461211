#pragma once
// Convolutions by their definition: what the accelerated kernels are compared with. Sums are in
// double.

#include <vector>

#include "enclave/engine/kernels/conv_shape.h"

namespace ephemeralml::engine::kernels::reference {

/// What Conv makes of `x` and `kernel`; `bias` may be empty.
std::vector<float> ConvPlain(const ConvShape& shape, const std::vector<float>& x,
                             const std::vector<float>& kernel, const std::vector<float>& bias);

/// What ConvTranspose makes of `y`, a tensor with `shape`'s output: the gradient of Conv by its
/// input. `bias` has one element per input channel of `shape`, or is empty.
std::vector<float> ConvTransposePlain(const ConvShape& shape, const std::vector<float>& y,
                                      const std::vector<float>& kernel,
                                      const std::vector<float>& bias);

}  // namespace ephemeralml::engine::kernels::reference
