// ConvInteger and QLinearConv: convolutions of 8-bit integers, summed exactly.

#include <algorithm>

#include "enclave/engine/kernels/conv_shape.h"
#include "enclave/engine/kernels/integer_product.h"

namespace ephemeralml::engine::kernels {
namespace {

using ByteTypes = TypeList<int8_t, uint8_t>;

// What a thread lays out at a time stays in its core's L2 cache.
constexpr int64_t kTileElements = 96 * 1024;

// Where a node lists its operands.
struct ConvInputs {
  size_t x = 0;
  size_t w = 0;
  size_t zero_of_x = 0;
  size_t zero_of_w = 0;
};

// The input elements under the kernel for one output pixel, channel by channel.
template <class T>
void WritePixel(const Window& w, const T* planes, int64_t channels, int32_t zero, int64_t pixel,
                int16_t* target) {
  const int64_t z = pixel / (w.output[1] * w.output[2]) * w.stride[0];
  const int64_t y = pixel / w.output[2] % w.output[1] * w.stride[1];
  const int64_t x = pixel % w.output[2] * w.stride[2];
  for (int64_t channel = 0; channel < channels; ++channel) {
    const T* plane = planes + channel * Volume(w.input);
    for (int64_t k0 = 0; k0 < w.kernel[0]; ++k0) {
      const int64_t in_z = z + w.TapAt(0, k0);
      for (int64_t k1 = 0; k1 < w.kernel[1]; ++k1) {
        const int64_t in_y = y + w.TapAt(1, k1);
        const bool outside = in_z < 0 || in_z >= w.input[0] || in_y < 0 || in_y >= w.input[1];
        const T* line = plane + (in_z * w.input[1] + in_y) * w.input[2];
        for (int64_t k2 = 0; k2 < w.kernel[2]; ++k2, ++target) {
          const int64_t in_x = x + w.TapAt(2, k2);
          const bool is_padding = outside || in_x < 0 || in_x >= w.input[2];
          *target = is_padding ? int16_t{0} : static_cast<int16_t>(line[in_x] - zero);
        }
      }
    }
  }
}

// The sums of one node's run.
class IntegerConv {
 public:
  IntegerConv(KernelContext& context, const ConvInputs& inputs)
      : context_(context), inputs_(inputs) {}

  Done Read(const WindowAttributes& attributes, int64_t groups) {
    TRY_OK(RequireInput(context_, inputs_.x));
    TRY_OK(RequireInput(context_, inputs_.w));
    const Shape& x = context_.InputShape(inputs_.x);
    const Shape& w = context_.InputShape(inputs_.w);
    if (x.size() != w.size() || x.size() < 3) {
      return ShapeInvalid("input and kernel must have the same three or more axes");
    }
    TRY(shape_.window, SlideWindow(attributes, x, {w.begin() + 2, w.end()}));
    shape_.batch = x[0];
    shape_.groups = groups;
    shape_.in_channels = x[1];
    shape_.out_channels = w[0];
    if (x[1] == 0 || x[1] % groups != 0 || w[0] % groups != 0 || x[1] / groups != w[1]) {
      return ShapeInvalid("the channels of input, kernel and groups don't fit");
    }
    TRY(zeros_of_x_, ReadZeros(inputs_.zero_of_x, inputs_.x, 1));
    TRY(zeros_of_w_, ReadZeros(inputs_.zero_of_w, inputs_.w, shape_.out_channels));
    return {};
  }

  const ConvShape& shape() const { return shape_; }
  Shape OutputShape() const {
    return WindowShape(shape_.batch, shape_.out_channels, shape_.window, shape_.window.output);
  }

  /// `sums` has an element for each of the output's.
  Done Run(int32_t* sums) {
    TRY(const TensorView x, context_.Input(inputs_.x));
    if (context_.IsWeight(inputs_.w)) {
      TRY(const weights::PanelStream panels, context_.Panels(inputs_.w));
      for (size_t i = 0; i < panels.panel_count(); ++i) {
        TRY(const weights::OpenPanel panel, panels.Open(i));
        TRY_OK(RunPanel(x, {panels.weight().type, {}, panel.bytes()}, panel.begin(), panel.end(),
                        sums));
      }
      return {};
    }
    TRY(const TensorView w, context_.Input(inputs_.w));
    return RunPanel(x, w, 0, shape_.out_channels, sums);
  }

 private:
  Result<std::vector<int32_t>> ReadZeros(size_t index, size_t operand, int64_t most) {
    if (index >= context_.input_count() || !context_.HasInput(index)) {
      return std::vector<int32_t>(1);
    }
    if (context_.InputType(index) != context_.InputType(operand)) {
      return InputInvalid("a zero point isn't of its operand's type");
    }
    TRY(const size_t count, ElementCount(context_.InputShape(index)));
    if (count != 1 && !std::cmp_equal(count, most)) {
      return ShapeInvalid("a zero point has neither one element nor one for each channel");
    }
    return ReadZeroPoints(context_, index, count);
  }

  // Output channels [begin, end), whose kernels `w` holds.
  Done RunPanel(const TensorView& x, const TensorView& w, int64_t begin, int64_t end,
                int32_t* sums) {
    TRY(IntegerRows kernels, IntegerRows::Create(context_.arena(), end - begin, shape_.taps()));
    TRY_OK(WithType(ByteTypes{}, w.type, [&]<class T>(std::type_identity<T>) -> Done {
      WidenRows(Raw<T>(w), {zeros_of_w_}, begin, 0, end - begin, kernels);
      return {};
    }));
    return WithType(ByteTypes{}, x.type, [&]<class T>(std::type_identity<T>) {
      return RunTiles(Raw<T>(x), kernels, begin, end, sums);
    });
  }

  template <class T>
  Done RunTiles(const T* x, const IntegerRows& kernels, int64_t begin, int64_t end, int32_t* sums) {
    const int64_t plane = shape_.output_plane();
    const int64_t pixels = std::clamp<int64_t>(kTileElements / kernels.stride, 1, plane);
    const int64_t tiles = (plane + pixels - 1) / pixels;
    const int64_t first_group = begin / shape_.group_outputs();
    const int64_t groups = (end - 1) / shape_.group_outputs() + 1 - first_group;
    const auto count = static_cast<size_t>(shape_.batch * groups * tiles);
    return context_.threads().TryParallelFor(count, 1, [&](size_t from, size_t to) -> Done {
      TRY(IntegerRows seen, IntegerRows::Create(context_.arena(), pixels, shape_.taps()));
      for (auto i = static_cast<int64_t>(from); i < static_cast<int64_t>(to); ++i) {
        const int64_t image = i / tiles / groups;
        const int64_t group = first_group + i / tiles % groups;
        const int64_t first = i % tiles * pixels;
        const int64_t last = std::min(first + pixels, plane);
        const T* planes =
            x + (image * shape_.in_channels + group * shape_.group_inputs()) * shape_.input_plane();
        for (int64_t pixel = first; pixel < last; ++pixel) {
          WritePixel(shape_.window, planes, shape_.group_inputs(), zeros_of_x_[0], pixel,
                     seen.Row(pixel - first));
        }
        const int64_t first_row = std::max(group * shape_.group_outputs(), begin);
        const int64_t last_row = std::min((group + 1) * shape_.group_outputs(), end);
        int32_t* target = sums + (image * shape_.out_channels + begin) * plane + first;
        MultiplyRows(kernels, seen, {first_row - begin, last_row - begin, 0, last - first}, target,
                     plane);
      }
      return {};
    });
  }

  KernelContext& context_;
  ConvInputs inputs_;
  ConvShape shape_;
  std::vector<int32_t> zeros_of_x_;
  std::vector<int32_t> zeros_of_w_;
};

class ConvInteger final : public Kernel {
 public:
  ConvInteger(WindowAttributes attributes, int64_t groups)
      : attributes_(std::move(attributes)), groups_(groups) {}

  Done Run(KernelContext& context) const override {
    IntegerConv conv(context, {.x = 0, .w = 1, .zero_of_x = 2, .zero_of_w = 3});
    TRY_OK(conv.Read(attributes_, groups_));
    TRY(Tensor * output, context.Output(0, ElementType::kInt32, conv.OutputShape()));
    if (output->byte_count() == 0) return {};
    return conv.Run(output->MutableValues<int32_t>().data());
  }

 private:
  WindowAttributes attributes_;
  int64_t groups_;
};

class QLinearConv final : public Kernel {
 public:
  QLinearConv(WindowAttributes attributes, int64_t groups)
      : attributes_(std::move(attributes)), groups_(groups) {}

  Done Run(KernelContext& context) const override {
    IntegerConv conv(context, {.x = 0, .w = 3, .zero_of_x = 2, .zero_of_w = 5});
    TRY_OK(conv.Read(attributes_, groups_));
    TRY(const std::vector<float> multipliers, ReadMultipliers(context, conv.shape()));
    TRY(const std::vector<int32_t> biases, ReadBiases(context, conv.shape()));
    TRY_OK(RequireInput(context, 7));
    TRY(const std::vector<int32_t> zero, ReadZeroPoints(context, 7, 1));
    const ElementType type = context.InputType(7);
    return WithType(ByteTypes{}, type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, type, conv.OutputShape()));
      if (output->byte_count() == 0) return {};
      TRY(ArenaBlock block, context.Scratch(output->byte_count() * sizeof(int32_t)));
      auto* sums = reinterpret_cast<int32_t*>(block.bytes().data());
      TRY_OK(conv.Run(sums));
      Requantize(context.threads(), conv.shape(), sums, biases, multipliers, zero[0],
                 Raw<T>(*output));
      return {};
    });
  }

 private:
  static Result<std::vector<float>> ReadMultipliers(KernelContext& context,
                                                    const ConvShape& shape) {
    TRY(const std::vector<float> of_x, ReadScales(context, 1));
    TRY(const std::vector<float> of_w, ReadScales(context, 4));
    TRY(const std::vector<float> of_y, ReadScales(context, 6));
    const bool fits = of_w.size() == 1 || std::cmp_equal(of_w.size(), shape.out_channels);
    if (of_x.size() != 1 || of_y.size() != 1 || !fits) {
      return ShapeInvalid("QLinearConv: a scale has another number of elements");
    }
    std::vector<float> multipliers(static_cast<size_t>(shape.out_channels));
    for (size_t i = 0; i < multipliers.size(); ++i) {
      multipliers[i] = of_x[0] * of_w[of_w.size() == 1 ? 0 : i] / of_y[0];
    }
    return multipliers;
  }

  static Result<std::vector<int32_t>> ReadBiases(KernelContext& context, const ConvShape& shape) {
    const auto count = static_cast<size_t>(shape.out_channels);
    if (context.input_count() > 8 && context.HasInput(8)) {
      if (context.InputType(8) != ElementType::kInt32) return TypeUnsupported(context.InputType(8));
    }
    return ReadZeroPoints(context, 8, count);
  }

  template <class T>
  static void Requantize(Threads& threads, const ConvShape& shape, int32_t* sums,
                         const std::vector<int32_t>& biases, const std::vector<float>& multipliers,
                         int32_t zero, T* y) {
    const auto plane = static_cast<size_t>(shape.output_plane());
    const auto planes = static_cast<size_t>(shape.batch * shape.out_channels);
    threads.ParallelFor(planes, 16 * 1024 / plane + 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const size_t channel = i % biases.size();
        int32_t* plane_sums = sums + i * plane;
        const auto bias = static_cast<uint32_t>(biases[channel]);
        for (size_t k = 0; k < plane; ++k) {
          plane_sums[k] = static_cast<int32_t>(static_cast<uint32_t>(plane_sums[k]) + bias);
        }
        RequantizeRun(plane_sums, multipliers[channel], zero, y + i * plane, plane);
      }
    });
  }

  WindowAttributes attributes_;
  int64_t groups_;
};

template <class Made>
MadeKernel MakeConvOf(const NodeSpec& node) {
  TRY(WindowAttributes attributes, WindowAttributes::Read(node.attributes));
  TRY(const int64_t groups, node.attributes.Int("group", 1));
  if (groups < 1) return AttributeInvalid(node.op + ": attribute 'group' is less than 1");
  return std::make_unique<Made>(std::move(attributes), groups);
}

}  // namespace

/// Convolution of 8-bit integers less their zero points, as int32, which wraps; padding counts as
/// the zero point. Over one to three spatial axes. Source: ONNX operator ConvInteger, version 10.
MadeKernel MakeConvInteger(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 4}));
  return MakeConvOf<ConvInteger>(node);
}

/// ConvInteger with an int32 bias, scaled and quantized to int8 or uint8. Source: ONNX operator
/// QLinearConv, version 10.
MadeKernel MakeQLinearConv(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 8, .most_inputs = 9}));
  return MakeConvOf<QLinearConv>(node);
}

}  // namespace ephemeralml::engine::kernels
