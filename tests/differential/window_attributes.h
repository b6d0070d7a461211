#pragma once
// Random strides, dilations and pads, for convolutions and pools over any kind of elements.

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {

struct WindowCase {
  std::vector<int64_t> input;  ///< spatial extents
  std::vector<int64_t> kernel;
  bool has_dilations = true;
  /// SAME isn't drawn where strides leave gaps between windows: ONNX Runtime gives pools negative
  /// pads there, and makes a transposed convolution's output smaller than ONNX wants it.
  bool avoids_gaps = false;
};

/// Draws extents of `axes` spatial axes.
WindowCase DrawWindow(int64_t axes);
/// Draws attributes under which the kernel fits the input, and writes them.
void AddWindowAttributes(onnx::NodeProto* node, const WindowCase& window);

}  // namespace ephemeralml::differential
