#pragma once
// Convolutions as matrix products: kernel [out channels, taps] times what the window sees.

#include "enclave/engine/kernels/conv_shape.h"

namespace ephemeralml::engine::kernels {

/// With a kernel that lies open as a whole: threads share tiles of pixels.
/// Errors: kOverLimit `session_memory_exceeded`, kInternal `dense_library_failed`.
Done ConvOpen(KernelContext& context, const ConvShape& shape, const ConvOperands& operands,
              const float* kernel);

/// With a sealed kernel in row panels: threads share blocks of output channels, each opened by one.
/// Errors: as ConvOpen, and kUnauthentic `weights_unauthentic`.
Done ConvSealed(KernelContext& context, const ConvShape& shape, const ConvOperands& operands,
                const weights::PanelStream& kernel);

}  // namespace ephemeralml::engine::kernels
