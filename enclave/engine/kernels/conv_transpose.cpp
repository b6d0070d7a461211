#include <algorithm>

#include "enclave/engine/kernels/conv_shape.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

// What is multiplied before it is added to the output, at a time.
constexpr int64_t kStageElements = 4 * 1024 * 1024;

struct TransposeAttributes {
  WindowAttributes window;
  std::vector<int64_t> output_padding;
  std::vector<int64_t> output_shape;
  int64_t groups = 1;
};

// ConvTranspose is Conv's gradient: with X for Conv's output and Y for its input. So the window is
// Conv's, and `window.input` is what this operator makes.
Done PadAxis(const TransposeAttributes& attributes, size_t axis, size_t given, int64_t extent,
             Window& w) {
  const int64_t extra = attributes.output_padding.empty() ? 0 : attributes.output_padding[given];
  const int64_t whole = (extent - 1) * w.stride[axis] + extra + w.Reach(axis);
  const AutoPad mode = attributes.window.auto_pad;
  w.output[axis] = extent;
  int64_t wanted = 0;
  if (!attributes.output_shape.empty()) {
    wanted = attributes.output_shape[given];
  } else if (mode == AutoPad::kSameUpper || mode == AutoPad::kSameLower) {
    wanted = extent * w.stride[axis];
  } else {
    w.input[axis] = whole - w.pad_begin[axis] - w.pad_end[axis];
    if (w.input[axis] < 1) return ShapeInvalid("ConvTranspose: the padding leaves no output");
    return {};
  }
  const int64_t total = std::max<int64_t>(whole - wanted, 0);
  w.pad_begin[axis] = mode == AutoPad::kSameUpper ? total / 2 : total - total / 2;
  w.pad_end[axis] = total - w.pad_begin[axis];
  w.input[axis] = wanted;
  return {};
}

Result<Window> TransposedWindow(const TransposeAttributes& attributes, const Shape& x,
                                const std::vector<int64_t>& kernel) {
  TRY(Window w, PlaceWindow(attributes.window, x, kernel));
  for (const std::vector<int64_t>* numbers :
       {&attributes.output_padding, &attributes.output_shape}) {
    if (!numbers->empty() && numbers->size() != w.axes) {
      return AttributeInvalid("ConvTranspose: an attribute hasn't one number per spatial axis");
    }
  }
  for (size_t given = 0; given < w.axes; ++given) {
    const size_t axis = kSpatialAxes - w.axes + given;
    TRY_OK(PadAxis(attributes, axis, given, w.input[axis], w));
  }
  return w;
}

// Input pixels [first, last) of one image, and where their products [groups, taps, pixels] lie.
struct Products {
  int64_t image = 0;
  int64_t first = 0;
  int64_t last = 0;
  float* values = nullptr;

  int64_t count() const { return last - first; }
};

// `s` is the convolution whose gradient is computed: its output is what this operator reads.
class Transposed {
 public:
  Transposed(KernelContext& context, const ConvShape& s, const float* x, float* y)
      : context_(context), s_(s), x_(x), y_(y) {}

  Done Run(const float* bias) const {
    FillWithBias(bias);
    const int64_t rows = s_.groups * s_.taps();
    const int64_t pixels = s_.output_plane();
    const int64_t tile = std::min(std::max<int64_t>(kStageElements / rows, 1), pixels);
    const int64_t most = std::min(std::max(kStageElements / rows, tile), pixels * s_.batch);
    TRY(ArenaBlock block, context_.Scratch(static_cast<size_t>(most * rows) * sizeof(float)));
    auto* scratch = reinterpret_cast<float*>(block.bytes().data());
    std::vector<Products> stage;
    int64_t staged = 0;
    for (int64_t image = 0; image < s_.batch; ++image) {
      for (int64_t first = 0; first < pixels; first += tile) {
        const int64_t last = std::min(first + tile, pixels);
        if (staged + last - first > most) {
          TRY_OK(RunStage(stage));
          stage.clear();
          staged = 0;
        }
        stage.push_back({image, first, last, scratch + staged * rows});
        staged += last - first;
      }
    }
    return RunStage(stage);
  }

 private:
  void FillWithBias(const float* bias) const {
    if (bias == nullptr) return;
    const int64_t plane = s_.input_plane();
    for (int64_t i = 0; i < s_.batch * s_.in_channels; ++i) {
      std::fill_n(y_ + i * plane, plane, bias[i % s_.in_channels]);
    }
  }

  Done RunStage(const std::vector<Products>& stage) const {
    TRY_OK(MultiplyStage(stage));
    for (const Products& products : stage) Scatter(products);
    return {};
  }

  Done MultiplyStage(const std::vector<Products>& stage) const {
    if (!context_.IsWeight(1)) {
      TRY(const TensorView kernel, context_.Input(1));
      return MultiplyRows(kernel.Values<float>().data(), 0, s_.out_channels, stage);
    }
    TRY(const weights::PanelStream kernel, context_.Panels(1));
    for (size_t i = 0; i < kernel.panel_count(); ++i) {
      TRY(const weights::OpenPanel panel, kernel.Open(i));
      TRY_OK(MultiplyRows(panel.Values<float>(), panel.begin(), panel.end(), stage));
    }
    return {};
  }

  // Kernel rows [begin, end), one for each channel of x: a part of each product's sum.
  Done MultiplyRows(const float* kernel, int64_t begin, int64_t end,
                    const std::vector<Products>& stage) const {
    const int64_t channels = s_.group_outputs();
    for (int64_t row = begin; row < end;) {
      const int64_t group = row / channels;
      const int64_t next = std::min(end, (group + 1) * channels);
      for (const Products& products : stage) {
        const float* x = x_ + (products.image * s_.out_channels + row) * s_.output_plane();
        TRY_OK(MultiplyOn(context_.threads(),
                          {.rows = s_.taps(),
                           .inner = next - row,
                           .columns = products.count(),
                           .a = {kernel + (row - begin) * s_.taps(), s_.taps(), true},
                           .b = {x + products.first, s_.output_plane()},
                           .c = products.values + group * s_.taps() * products.count(),
                           .c_stride = products.count(),
                           .beta = row == group * channels ? 0.0f : 1.0f}));
      }
      row = next;
    }
    return {};
  }

  // Adds each product where its tap falls. Threads share the channels of y, so none meet.
  void Scatter(const Products& products) const {
    const int64_t taps = Volume(s_.window.kernel);
    context_.threads().ParallelFor(
        static_cast<size_t>(s_.in_channels),
        static_cast<size_t>(16 * 1024 / (taps * products.count()) + 1),
        [&](size_t begin, size_t end) {
          for (auto channel = static_cast<int64_t>(begin); channel < static_cast<int64_t>(end);
               ++channel) {
            float* y = y_ + (products.image * s_.in_channels + channel) * s_.input_plane();
            for (int64_t tap = 0; tap < taps; ++tap) {
              const float* row = products.values + (channel * taps + tap) * products.count();
              ScatterTap(row, tap, products.first, products.last, y);
            }
          }
        });
  }

  void ScatterTap(const float* row, int64_t tap, int64_t first, int64_t last, float* y) const {
    const Window& w = s_.window;
    const Window::Range inside = w.Inside(2, tap % w.kernel[2]);
    const int64_t at_z = w.TapAt(0, tap / (w.kernel[1] * w.kernel[2]));
    const int64_t at_y = w.TapAt(1, tap / w.kernel[2] % w.kernel[1]);
    const int64_t at_x = w.TapAt(2, tap % w.kernel[2]);
    for (int64_t pixel = first; pixel < last;) {
      const int64_t line = pixel / w.output[2];
      const int64_t x = pixel % w.output[2];
      const int64_t count = std::min(w.output[2] - x, last - pixel);
      const int64_t z_to = line / w.output[1] * w.stride[0] + at_z;
      const int64_t y_to = line % w.output[1] * w.stride[1] + at_y;
      if (z_to >= 0 && z_to < w.input[0] && y_to >= 0 && y_to < w.input[1]) {
        float* target = y + (z_to * w.input[1] + y_to) * w.input[2];
        const int64_t from = std::clamp(inside.begin, x, x + count);
        const int64_t to = std::clamp(inside.end, from, x + count);
        for (int64_t i = from; i < to; ++i) {
          target[i * w.stride[2] + at_x] += row[pixel - first + i - x];
        }
      }
      pixel += count;
    }
  }

  KernelContext& context_;
  const ConvShape& s_;
  const float* x_;
  float* y_;
};

/// Transposed convolution over one, two or three spatial axes. Types: float32.
/// Shapes: X [N,C,spatial...], W [C,M/group,kernel...], B [M] or left out, Y [N,M,...].
/// Errors: kUnsupported `type_unsupported`, `operator_unsupported` (more axes); kMalformed
/// `shape_invalid`, `attribute_invalid`, `input_invalid`.
/// Source: ONNX operator ConvTranspose, versions 1 and 11.
class ConvTranspose final : public Kernel {
 public:
  explicit ConvTranspose(TransposeAttributes attributes) : attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY_OK(RequireFloat(context, 1));
    TRY(const ConvShape shape, ReadShape(context.InputShape(0), context.InputShape(1)));
    const float* bias = nullptr;
    if (context.HasInput(2)) {
      TRY_OK(RequireFloat(context, 2));
      if (context.InputShape(2) != Shape{shape.in_channels}) {
        return ShapeInvalid("ConvTranspose: the bias must have one element per output channel");
      }
      TRY(const TensorView view, context.Input(2));
      bias = view.Values<float>().data();
    }
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * y, context.Output(0, ElementType::kFloat,
                                   WindowShape(shape.batch, shape.in_channels, shape.window,
                                               shape.window.input)));
    if (y->byte_count() == 0) return {};
    return Transposed(context, shape, x.Values<float>().data(), y->MutableValues<float>().data())
        .Run(bias);
  }

 private:
  Result<ConvShape> ReadShape(const Shape& x, const Shape& w) const {
    if (x.size() != w.size() || x.size() < 3) {
      return ShapeInvalid("ConvTranspose: input and kernel must have the same three or more axes");
    }
    if (x[1] == 0 || x[1] != w[0] || x[1] % attributes_.groups != 0) {
      return ShapeInvalid("ConvTranspose: the channels of input, kernel and groups don't fit");
    }
    ConvShape shape;
    TRY(shape.window, TransposedWindow(attributes_, x, {w.begin() + 2, w.end()}));
    shape.batch = x[0];
    shape.groups = attributes_.groups;
    shape.out_channels = x[1];
    shape.in_channels = w[1] * attributes_.groups;
    return shape;
  }

  TransposeAttributes attributes_;
};

Result<TransposeAttributes> ReadAttributes(const NodeSpec& node) {
  constexpr int64_t kMost = int64_t{1} << 30;
  TransposeAttributes read;
  TRY(read.window, WindowAttributes::Read(node.attributes));
  TRY(read.output_padding, node.attributes.Ints("output_padding", {}));
  TRY(read.output_shape, node.attributes.Ints("output_shape", {}));
  TRY(read.groups, node.attributes.Int("group", 1));
  const auto outside = [](int64_t least) {
    return [least](int64_t number) { return number < least || number > kMost; };
  };
  if (std::ranges::any_of(read.output_padding, outside(0)) ||
      std::ranges::any_of(read.output_shape, outside(1)) || outside(1)(read.groups)) {
    return AttributeInvalid("ConvTranspose: an attribute is negative or too large");
  }
  return read;
}

}  // namespace

MadeKernel MakeConvTranspose(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(TransposeAttributes attributes, ReadAttributes(node));
  return std::make_unique<ConvTranspose>(std::move(attributes));
}

}  // namespace ephemeralml::engine::kernels
