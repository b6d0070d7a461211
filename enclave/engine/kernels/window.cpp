#include "enclave/engine/kernels/window.h"

#include <algorithm>

namespace ephemeralml::engine::kernels {
namespace {

// Keeps every sum and product of a window's numbers far from 64 bits' end.
constexpr int64_t kMostPerAxis = int64_t{1} << 30;

Result<std::vector<int64_t>> ReadNumbers(const Attributes& attributes, const char* name,
                                         int64_t least) {
  TRY(std::vector<int64_t> numbers, attributes.Ints(name, {}));
  for (const int64_t number : numbers) {
    if (number < least || number > kMostPerAxis) {
      return AttributeInvalid(std::string("attribute '") + name + "' holds a number out of range");
    }
  }
  return numbers;
}

Result<AutoPad> ReadAutoPad(const Attributes& attributes) {
  TRY(const std::string name, attributes.String("auto_pad", "NOTSET"));
  if (name == "NOTSET") return AutoPad::kNotSet;
  if (name == "VALID") return AutoPad::kValid;
  if (name == "SAME_UPPER") return AutoPad::kSameUpper;
  if (name == "SAME_LOWER") return AutoPad::kSameLower;
  return AttributeInvalid("attribute 'auto_pad' has none of its four values");
}

// One number per axis, put behind the axes that the tensors lack.
Done Spread(const std::vector<int64_t>& numbers, size_t axes, Spatial& target) {
  if (numbers.empty()) return {};
  if (numbers.size() != axes) {
    return AttributeInvalid("an attribute doesn't have one number for each spatial axis");
  }
  std::ranges::copy(numbers, target.end() - axes);
  return {};
}

int64_t CeilOfQuotient(int64_t a, int64_t b) { return (a + b - 1) / b; }

// ONNX: SAME pads until the output is ceil(input / stride).
void PadSame(AutoPad mode, size_t axis, Window& w) {
  w.output[axis] = CeilOfQuotient(w.input[axis], w.stride[axis]);
  const int64_t total =
      std::max<int64_t>((w.output[axis] - 1) * w.stride[axis] + w.Reach(axis) - w.input[axis], 0);
  const int64_t less = total / 2;
  w.pad_begin[axis] = mode == AutoPad::kSameUpper ? less : total - less;
  w.pad_end[axis] = total - w.pad_begin[axis];
}

Done SlideAxis(const WindowAttributes& attributes, size_t axis, Window& w) {
  if (attributes.auto_pad == AutoPad::kSameUpper || attributes.auto_pad == AutoPad::kSameLower) {
    PadSame(attributes.auto_pad, axis, w);
    return {};
  }
  const int64_t steps = w.input[axis] + w.pad_begin[axis] + w.pad_end[axis] - w.Reach(axis);
  const bool is_cut = attributes.cuts_window && steps < 0 && -steps < w.stride[axis];
  if (steps < 0 && !is_cut) {
    return ShapeInvalid("the input is smaller than the kernel that slides over it");
  }
  w.output[axis] = steps / w.stride[axis] + 1;
  if (attributes.ceil_mode) {
    w.output[axis] = CeilOfQuotient(steps, w.stride[axis]) + 1;
    // A window that would begin in the padding at the end doesn't count.
    if ((w.output[axis] - 1) * w.stride[axis] >= w.input[axis] + w.pad_begin[axis]) {
      --w.output[axis];
    }
  }
  return {};
}

}  // namespace

Result<WindowAttributes> WindowAttributes::Read(const Attributes& attributes) {
  WindowAttributes read;
  TRY(read.kernel_shape, ReadNumbers(attributes, "kernel_shape", 1));
  TRY(read.strides, ReadNumbers(attributes, "strides", 1));
  TRY(read.dilations, ReadNumbers(attributes, "dilations", 1));
  TRY(read.pads, ReadNumbers(attributes, "pads", 0));
  TRY(read.auto_pad, ReadAutoPad(attributes));
  if (read.auto_pad != AutoPad::kNotSet) read.pads.clear();
  return read;
}

Result<WindowAttributes> WindowAttributes::ReadPool(const Attributes& attributes) {
  TRY(WindowAttributes read, Read(attributes));
  TRY(const int64_t ceil_mode, attributes.Int("ceil_mode", 0));
  read.ceil_mode = ceil_mode != 0;
  return read;
}

int64_t Window::MostTaps() const {
  int64_t taps = 1;
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    taps *= std::max<int64_t>(std::min(kernel[axis], input[axis]), 1);
  }
  return taps;
}

bool Window::IsPointwise() const {
  return kernel == Spatial{1, 1, 1} && stride == Spatial{1, 1, 1} &&
         pad_begin == Spatial{0, 0, 0} && pad_end == Spatial{0, 0, 0};
}

Window::Range Window::Inside(size_t axis, int64_t tap) const {
  const int64_t at = TapAt(axis, tap);
  const int64_t begin = at >= 0 ? 0 : CeilOfQuotient(-at, stride[axis]);
  const int64_t end = at >= input[axis] ? 0 : CeilOfQuotient(input[axis] - at, stride[axis]);
  Range range{std::min(begin, output[axis]), std::min(end, output[axis])};
  range.end = std::max(range.begin, range.end);
  return range;
}

Window::Range Window::TapsInside(size_t axis, int64_t at_output) const {
  const int64_t at = at_output * stride[axis] - pad_begin[axis];
  const int64_t begin = at >= 0 ? 0 : std::min(CeilOfQuotient(-at, dilation[axis]), kernel[axis]);
  const int64_t end = at >= input[axis] ? 0 : CeilOfQuotient(input[axis] - at, dilation[axis]);
  return {begin, std::clamp(end, begin, kernel[axis])};
}

Result<Window> PlaceWindow(const WindowAttributes& attributes, const Shape& input,
                           const std::vector<int64_t>& kernel) {
  if (input.size() < 3) return ShapeInvalid("the input has no spatial axis");
  Window w;
  w.axes = input.size() - 2;
  if (w.axes > kSpatialAxes) {
    return Error{Code::kUnsupported, "operator_unsupported",
                 "windows on more than three spatial axes are not supported"};
  }
  const auto too_large = [](int64_t extent) { return extent < 1 || extent > kMostPerAxis; };
  if (std::any_of(input.begin() + 2, input.end(), too_large) ||
      std::ranges::any_of(kernel, too_large)) {
    return ShapeInvalid("a spatial extent of the input or the kernel is empty or too large");
  }
  if (!attributes.kernel_shape.empty() && attributes.kernel_shape != kernel) {
    return ShapeInvalid("attribute 'kernel_shape' isn't the kernel's shape");
  }
  TRY_OK(Spread({input.begin() + 2, input.end()}, w.axes, w.input));
  if (kernel.empty()) return AttributeInvalid("attribute 'kernel_shape' is missing");
  TRY_OK(Spread(kernel, w.axes, w.kernel));
  TRY_OK(Spread(attributes.strides, w.axes, w.stride));
  TRY_OK(Spread(attributes.dilations, w.axes, w.dilation));
  const std::vector<int64_t>& pads = attributes.pads;
  if (pads.size() % 2 != 0) return AttributeInvalid("attribute 'pads' has an odd length");
  const auto half = pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2);
  TRY_OK(Spread({pads.begin(), half}, w.axes, w.pad_begin));
  TRY_OK(Spread({half, pads.end()}, w.axes, w.pad_end));
  return w;
}

Result<Window> SlideWindow(const WindowAttributes& attributes, const Shape& input,
                           const std::vector<int64_t>& kernel) {
  TRY(Window w, PlaceWindow(attributes, input, kernel));
  for (size_t axis = kSpatialAxes - w.axes; axis < kSpatialAxes; ++axis) {
    TRY_OK(SlideAxis(attributes, axis, w));
  }
  return w;
}

Shape WindowShape(int64_t batch, int64_t channels, const Window& window, const Spatial& extents) {
  Shape shape = {batch, channels};
  shape.insert(shape.end(), extents.end() - window.axes, extents.end());
  return shape;
}

}  // namespace ephemeralml::engine::kernels
