#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

// One channel of one sequence.
struct CausalRow {
  const float* x = nullptr;     // [length]
  const float* past = nullptr;  // [taps - 1], or null: zeros
  const float* taps = nullptr;
  float bias = 0;
  float* y = nullptr;        // [length]
  float* present = nullptr;  // [taps - 1], or null: nobody wants it
};

void Convolve(const CausalRow& row, int64_t length, int64_t taps) {
  const int64_t kept = taps - 1;
  std::fill_n(row.y, length, row.bias);
  for (int64_t k = 0; k < taps; ++k) {
    const float weight = row.taps[k];
    const int64_t before = std::min(kept - k, length);  // outputs that see the past through tap k
    for (int64_t i = 0; i < before && row.past != nullptr; ++i) {
      row.y[i] += weight * row.past[i + k];
    }
    for (int64_t i = before; i < length; ++i) row.y[i] += weight * row.x[i - (kept - k)];
  }
  if (row.present == nullptr) return;
  for (int64_t i = 0; i < kept; ++i) {
    const int64_t at = length + i;  // in the past followed by the input
    const float earlier = at < kept && row.past != nullptr ? row.past[at] : 0.0F;
    row.present[i] = at < kept ? earlier : row.x[at - kept];
  }
}

/// Convolution of each channel with a kernel of its own that sees the present and what came before,
/// the last of which is handed on. Types: float32. Shapes: X [B, C, L], W [C, 1, K], bias [C],
/// states [B, C, K - 1]. Source: ONNX operator CausalConvWithState, version 27; ONNX Runtime's of
/// the same name, one spatial axis.
class CausalConvWithState final : public Kernel {
 public:
  explicit CausalConvWithState(bool is_swish) : is_swish_(is_swish) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY_OK(RequireFloat(context, 1));
    const Shape x_shape = context.InputShape(0);
    const Shape w_shape = context.InputShape(1);
    if (x_shape.size() != 3 || w_shape.size() != 3 || w_shape[0] != x_shape[1] || w_shape[1] != 1 ||
        w_shape[2] < 1) {
      return ShapeInvalid("CausalConvWithState: input and kernel don't fit");
    }
    const int64_t length = x_shape[2];
    const int64_t taps = w_shape[2];
    const Shape state_shape = {x_shape[0], x_shape[1], taps - 1};
    TRY(const float* bias, OptionalFloats(context, 2, {x_shape[1]}));
    TRY(const float* past, OptionalFloats(context, 3, state_shape));
    TRY(const TensorView x, context.Input(0));
    TRY(const TensorView w, context.Input(1));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, x_shape));
    float* present = nullptr;
    if (context.WantsOutput(1)) {
      TRY(Tensor * state, context.Output(1, ElementType::kFloat, state_shape));
      present = state->MutableValues<float>().data();
    }
    if (length == 0 && (present == nullptr || taps == 1)) return {};
    float* y = output->MutableValues<float>().data();
    const auto channels = static_cast<size_t>(x_shape[1]);
    context.threads().ParallelFor(
        static_cast<size_t>(x_shape[0]) * channels,
        RowGrain(static_cast<size_t>(std::max<int64_t>(length, 1) * taps)),
        [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) {
            const size_t channel = i % channels;
            const auto at = static_cast<int64_t>(i);
            const CausalRow row{Raw(x) + at * length,
                                past == nullptr ? nullptr : past + at * (taps - 1),
                                Raw(w) + static_cast<int64_t>(channel) * taps,
                                bias == nullptr ? 0.0F : bias[channel],
                                y + at * length,
                                present == nullptr ? nullptr : present + at * (taps - 1)};
            Convolve(row, length, taps);
            if (is_swish_) Swish(row.y, length);
          }
        });
    return {};
  }

 private:
  static const float* Raw(const TensorView& view) { return view.Values<float>().data(); }

  // Null if it is left out.
  static Result<const float*> OptionalFloats(KernelContext& context, size_t index,
                                             const Shape& shape) {
    if (index >= context.input_count() || !context.HasInput(index)) return nullptr;
    TRY_OK(RequireFloat(context, index));
    if (context.InputShape(index) != shape) {
      return ShapeInvalid("CausalConvWithState: bias or state don't fit");
    }
    TRY(const TensorView view, context.Input(index));
    return Raw(view);
  }

  static void Swish(float* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) values[i] = values[i] / (1 + std::exp(-values[i]));
  }

  bool is_swish_;
};

}  // namespace

MadeKernel MakeCausalConvWithState(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 4, .most_outputs = 2}));
  TRY(const std::string activation, node.attributes.String("activation", "none"));
  TRY(const int64_t axes, node.attributes.Int("ndim", 1));
  TRY(const int64_t dilation, node.attributes.Int("dilation", 1));
  TRY(const int64_t channels_last, node.attributes.Int("channels_last", 0));
  if (axes != 1 || dilation != 1 || channels_last != 0) {
    return Error{Code::kUnsupported, "operator_unsupported",
                 "CausalConvWithState: another layout than one axis behind the channels"};
  }
  const bool is_swish =
      activation == std::string_view("silu") || activation == std::string_view("swish");
  if (!is_swish && activation != std::string_view("none")) {
    return AttributeInvalid("CausalConvWithState: attribute 'activation' isn't known");
  }
  return std::make_unique<CausalConvWithState>(is_swish);
}

}  // namespace ephemeralml::engine::kernels
