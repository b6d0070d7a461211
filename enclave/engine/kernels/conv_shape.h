#pragma once
// What a convolution's parts know of it: extents and where planes begin.

#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {

/// Input [batch, in_channels, window.input], output [batch, out_channels, window.output], kernel
/// [out_channels, in_channels / groups, window.kernel].
struct ConvShape {
  Window window;
  int64_t batch = 0;
  int64_t groups = 1;
  int64_t in_channels = 0;
  int64_t out_channels = 0;

  int64_t group_inputs() const { return in_channels / groups; }
  int64_t group_outputs() const { return out_channels / groups; }
  int64_t input_plane() const { return Volume(window.input); }
  int64_t output_plane() const { return Volume(window.output); }
  /// Kernel elements for one output channel.
  int64_t taps() const { return group_inputs() * Volume(window.kernel); }
};

/// What a convolution reads and writes, but for its kernel.
struct ConvOperands {
  const float* x = nullptr;
  const float* bias = nullptr;  ///< one per output channel, or null
  float* y = nullptr;
};

}  // namespace ephemeralml::engine::kernels
