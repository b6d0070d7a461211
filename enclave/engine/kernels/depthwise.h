#pragma once
// Convolutions whose every output channel reads one input channel: too little arithmetic per
// element for a matrix product.

#include "enclave/engine/kernels/conv_shape.h"

namespace ephemeralml::engine::kernels {

/// Computes output channels [begin, end) of all images. `kernel` begins with channel `begin`'s.
void ConvDepthwise(Threads& threads, const ConvShape& shape, const ConvOperands& operands,
                   const float* kernel, int64_t begin, int64_t end);

}  // namespace ephemeralml::engine::kernels
