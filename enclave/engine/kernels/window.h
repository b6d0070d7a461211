#pragma once
// The geometry that convolutions and pools share: where a sliding window lies on its input. Tensors
// with one or two spatial axes are seen as having three, the missing ones of extent 1.

#include <array>
#include <optional>
#include <vector>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

inline constexpr size_t kSpatialAxes = 3;
using Spatial = std::array<int64_t, kSpatialAxes>;

inline int64_t Volume(const Spatial& extents) { return extents[0] * extents[1] * extents[2]; }

enum class AutoPad { kNotSet, kValid, kSameUpper, kSameLower };

/// A node's attributes as given, one number for each spatial axis; empty where left out.
struct WindowAttributes {
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;
  /// Pools: where the input is smaller than the kernel by less than a stride, one window takes what
  /// there is. ONNX leaves it open; exported networks meet it on narrow pictures, and ONNX Runtime
  /// does it.
  bool cuts_window = false;

  /// Pads beside auto_pad say nothing. Errors: kMalformed `attribute_invalid` (another type,
  /// numbers that are negative or huge).
  static Result<WindowAttributes> Read(const Attributes& attributes);
  /// With `ceil_mode`, which pools alone have: no window of a convolution reaches past its padding.
  /// Errors: as Read.
  static Result<WindowAttributes> ReadPool(const Attributes& attributes);
};

/// Window and input on all three axes. `output` is what a convolution or pool makes of them.
struct Window {
  size_t axes = 0;  ///< that the tensors really have
  Spatial input = {1, 1, 1};
  Spatial kernel = {1, 1, 1};
  Spatial stride = {1, 1, 1};
  Spatial dilation = {1, 1, 1};
  Spatial pad_begin = {0, 0, 0};
  Spatial pad_end = {0, 0, 0};
  Spatial output = {1, 1, 1};

  /// From the first element that the kernel covers to the last.
  int64_t Reach(size_t axis) const { return (kernel[axis] - 1) * dilation[axis] + 1; }
  /// At least as many as the taps that lie on the input for any output; bounded by the input's
  /// size.
  int64_t MostTaps() const;
  /// True if each output element needs the input element of the same place, and no other.
  bool IsPointwise() const;
  /// Outputs [begin, end) of an axis for which tap `tap` of the kernel lies on the input.
  struct Range {
    int64_t begin = 0;
    int64_t end = 0;
  };
  Range Inside(size_t axis, int64_t tap) const;
  /// Taps [begin, end) of an axis of the kernel that lie on the input for output `at_output`.
  Range TapsInside(size_t axis, int64_t at_output) const;
  /// Where tap `tap` lies on the input for output 0 of an axis; negative in the padding.
  int64_t TapAt(size_t axis, int64_t tap) const { return tap * dilation[axis] - pad_begin[axis]; }
};

/// Everything but pads and output. `input` is the whole shape [N, C, spatial...]; `kernel` has the
/// extents of the kernel. Errors: kMalformed `shape_invalid` (fewer than three axes),
/// `attribute_invalid` (another number of values than axes); kUnsupported `operator_unsupported`
/// (more than three spatial axes).
Result<Window> PlaceWindow(const WindowAttributes& attributes, const Shape& input,
                           const std::vector<int64_t>& kernel);

/// PlaceWindow with pads and output as convolutions and pools define them. Errors: as PlaceWindow,
/// and kMalformed `shape_invalid` (the input is smaller than the kernel).
Result<Window> SlideWindow(const WindowAttributes& attributes, const Shape& input,
                           const std::vector<int64_t>& kernel);

/// [batch, channels, the first spatial extents that the tensors really have...].
Shape WindowShape(int64_t batch, int64_t channels, const Window& window, const Spatial& extents);

}  // namespace ephemeralml::engine::kernels
