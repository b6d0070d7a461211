// DeformConv: what the kernel's taps see lies where offsets say; then a convolution's product.

#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/conv_shape.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

// Elements that are laid out at a time, to meet every panel of a sealed kernel.
constexpr int64_t kStageElements = int64_t{4} * 1024 * 1024;
constexpr int64_t kLeastPixels = 64;

// Everything of one run, but for the kernel.
struct DeformOperands {
  ConvShape shape;
  int64_t offset_groups = 1;
  const float* x = nullptr;
  const float* offsets = nullptr;
  const float* mask = nullptr;  // or null
  const float* bias = nullptr;  // or null
  float* y = nullptr;

  int64_t pixels() const { return shape.output_plane(); }
  int64_t kernel_taps() const { return Volume(shape.window.kernel); }
};

// Pixels [first, last) of one image.
struct PixelRange {
  int64_t image = 0;
  int64_t first = 0;
  int64_t last = 0;
  int64_t count() const { return last - first; }
};

// The plane between its elements, linearly along both axes; zero around it.
float Interpolated(const float* plane, int64_t height, int64_t width, float y, float x) {
  const bool is_near =
      y > -1 && x > -1 && y < static_cast<float>(height) && x < static_cast<float>(width);
  if (!is_near) return 0;
  const auto top = static_cast<int64_t>(std::floor(y));
  const auto left = static_cast<int64_t>(std::floor(x));
  const float down = y - static_cast<float>(top);
  const float right = x - static_cast<float>(left);
  const auto at = [&](int64_t row, int64_t column) {
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? plane[row * width + column] : 0.0F;
  };
  const float above = (1 - right) * at(top, left) + right * at(top, left + 1);
  const float below = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1);
  return (1 - down) * above + down * below;
}

// One row (channel, tap) of the matrix that the kernel is multiplied with.
void SampleRow(const DeformOperands& o, const PixelRange& pixels, int64_t row, float* target) {
  const Window& w = o.shape.window;
  const int64_t taps = o.kernel_taps();
  const int64_t channel = row / taps;
  const int64_t tap = row % taps;
  const int64_t group = channel / (o.shape.in_channels / o.offset_groups);
  const int64_t place = (pixels.image * o.offset_groups + group) * taps + tap;
  const float* down = o.offsets + place * 2 * o.pixels();
  const float* right = down + o.pixels();
  const float* plane = o.x + (pixels.image * o.shape.in_channels + channel) * o.shape.input_plane();
  // Two spatial axes are the last two of three.
  const int64_t tap_y = w.TapAt(1, tap / w.kernel[2]);
  const int64_t tap_x = w.TapAt(2, tap % w.kernel[2]);
  for (int64_t i = pixels.first; i < pixels.last; ++i) {
    const int64_t row_y = i / w.output[2] * w.stride[1] + tap_y;
    const int64_t column_x = i % w.output[2] * w.stride[2] + tap_x;
    const float y = static_cast<float>(row_y) + down[i];
    const float x = static_cast<float>(column_x) + right[i];
    const float weight = o.mask == nullptr ? 1.0F : o.mask[place * o.pixels() + i];
    target[i - pixels.first] = weight * Interpolated(plane, w.input[1], w.input[2], y, x);
  }
}

// Output channels [begin, end), of which `kernel` holds the rows, over as many groups as they span.
Done MultiplyRows(Threads& threads, const DeformOperands& o, const PixelRange& pixels,
                  const float* columns, const float* kernel, int64_t begin, int64_t end) {
  const ConvShape& shape = o.shape;
  for (int64_t row = begin; row < end;) {
    const int64_t group = row / shape.group_outputs();
    const int64_t next = std::min(end, (group + 1) * shape.group_outputs());
    float* y = o.y + (pixels.image * shape.out_channels + row) * o.pixels() + pixels.first;
    for (int64_t i = row; i < next; ++i) {
      std::fill_n(y + (i - row) * o.pixels(), pixels.count(), o.bias == nullptr ? 0.0F : o.bias[i]);
    }
    TRY_OK(
        MultiplyOn(threads, {.rows = next - row,
                             .inner = shape.taps(),
                             .columns = pixels.count(),
                             .a = {kernel + (row - begin) * shape.taps(), shape.taps()},
                             .b = {columns + group * shape.taps() * pixels.count(), pixels.count()},
                             .c = y,
                             .c_stride = o.pixels(),
                             .beta = 1}));
    row = next;
  }
  return {};
}

/// Convolution along two spatial axes whose kernel's taps are moved by offsets, one for each place,
/// and weighted by a mask. Types: float32. Shapes: X [N, C, H, W], W [M, C/group, kH, kW], offset
/// [N, offset_group * kH * kW * 2, oH, oW] (down, then right), B [M], mask as offset without the 2.
/// Errors: as Conv. Source: ONNX operator DeformConv, versions 19 and 22.
class DeformConv final : public Kernel {
 public:
  DeformConv(WindowAttributes attributes, int64_t groups, int64_t offset_groups)
      : attributes_(std::move(attributes)), groups_(groups), offset_groups_(offset_groups) {}

  Done Run(KernelContext& context) const override {
    for (size_t i = 0; i < 3; ++i) TRY_OK(RequireFloat(context, i));
    DeformOperands o;
    o.offset_groups = offset_groups_;
    TRY(o.shape, ReadShape(context.InputShape(0), context.InputShape(1)));
    const int64_t batch = o.shape.batch;
    const int64_t places = offset_groups_ * o.kernel_taps();
    const Spatial& made = o.shape.window.output;
    if (context.InputShape(2) != Shape{batch, places * 2, made[1], made[2]}) {
      return ShapeInvalid("DeformConv: the offsets don't fit");
    }
    TRY(o.bias, OptionalFloats(context, 3, {o.shape.out_channels}));
    TRY(o.mask, OptionalFloats(context, 4, {batch, places, made[1], made[2]}));
    TRY(Tensor * y,
        context.Output(0, ElementType::kFloat, {batch, o.shape.out_channels, made[1], made[2]}));
    if (y->byte_count() == 0) return {};
    o.y = y->MutableValues<float>().data();
    TRY(const TensorView x, context.Input(0));
    o.x = x.Values<float>().data();
    TRY(const TensorView offsets, context.Input(2));
    o.offsets = offsets.Values<float>().data();
    return Convolve(context, o);
  }

 private:
  Result<ConvShape> ReadShape(const Shape& x, const Shape& w) const {
    if (x.size() != w.size() || x.size() < 3) {
      return ShapeInvalid("DeformConv: input and kernel must have the same three or more axes");
    }
    if (x.size() != 4) {
      return Error{Code::kUnsupported, "operator_unsupported",
                   "DeformConv: other than two spatial axes"};
    }
    ConvShape shape;
    TRY(shape.window, SlideWindow(attributes_, x, {w.begin() + 2, w.end()}));
    shape.batch = x[0];
    shape.groups = groups_;
    shape.in_channels = x[1];
    shape.out_channels = w[0];
    if (x[1] == 0 || x[1] % groups_ != 0 || w[0] % groups_ != 0 || x[1] / groups_ != w[1] ||
        x[1] % offset_groups_ != 0) {
      return ShapeInvalid("DeformConv: the channels of input, kernel and groups don't fit");
    }
    return shape;
  }

  // Null if it is left out.
  static Result<const float*> OptionalFloats(KernelContext& context, size_t index,
                                             const Shape& shape) {
    if (index >= context.input_count() || !context.HasInput(index)) return nullptr;
    TRY_OK(RequireFloat(context, index));
    if (context.InputShape(index) != shape) {
      return ShapeInvalid("DeformConv: bias or mask don't fit");
    }
    TRY(const TensorView view, context.Input(index));
    return view.Values<float>().data();
  }

  static Done Convolve(KernelContext& context, const DeformOperands& o) {
    const int64_t rows = o.shape.in_channels * o.kernel_taps();
    const int64_t stage = std::min(std::max(kStageElements / rows, kLeastPixels), o.pixels());
    TRY(ArenaBlock block, context.Scratch(static_cast<size_t>(rows * stage) * sizeof(float)));
    auto* columns = reinterpret_cast<float*>(block.bytes().data());
    for (int64_t image = 0; image < o.shape.batch; ++image) {
      for (int64_t first = 0; first < o.pixels(); first += stage) {
        const PixelRange pixels{image, first, std::min(first + stage, o.pixels())};
        const auto grain = static_cast<size_t>(4096 / pixels.count() + 1);
        context.threads().ParallelFor(
            static_cast<size_t>(rows), grain, [&](size_t begin, size_t end) {
              for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row) {
                SampleRow(o, pixels, row, columns + row * pixels.count());
              }
            });
        TRY_OK(MultiplyKernel(context, o, pixels, columns));
      }
    }
    return {};
  }

  static Done MultiplyKernel(KernelContext& context, const DeformOperands& o,
                             const PixelRange& pixels, const float* columns) {
    if (!context.IsWeight(1)) {
      TRY(const TensorView kernel, context.Input(1));
      return MultiplyRows(context.threads(), o, pixels, columns, kernel.Values<float>().data(), 0,
                          o.shape.out_channels);
    }
    TRY(const weights::PanelStream panels, context.Panels(1));
    for (size_t i = 0; i < panels.panel_count(); ++i) {
      TRY(const weights::OpenPanel panel, panels.Open(i));
      TRY_OK(MultiplyRows(context.threads(), o, pixels, columns, panel.Values<float>(),
                          panel.begin(), panel.end()));
    }
    return {};
  }

  WindowAttributes attributes_;
  int64_t groups_;
  int64_t offset_groups_;
};

}  // namespace

MadeKernel MakeDeformConv(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 5}));
  TRY(WindowAttributes attributes, WindowAttributes::Read(node.attributes));
  TRY(const int64_t groups, node.attributes.Int("group", 1));
  TRY(const int64_t offset_groups, node.attributes.Int("offset_group", 1));
  if (groups < 1 || offset_groups < 1) {
    return AttributeInvalid("DeformConv: a number of groups is less than 1");
  }
  return std::make_unique<DeformConv>(std::move(attributes), groups, offset_groups);
}

}  // namespace ephemeralml::engine::kernels
