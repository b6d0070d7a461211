#include <algorithm>
#include <array>
#include <cmath>

#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

enum Operand : size_t { kX, kScale, kBias, kMean, kVariance };

Error OnlyInference() {
  return {Code::kUnsupported, "operator_unsupported",
          "BatchNormalization: only inference, per channel, is supported"};
}

EPHEMERAL_MULTIVERSION void ScaleAndShift(const float* x, float scale, float shift, size_t count,
                                          float* y) {
  for (size_t i = 0; i < count; ++i) y[i] = x[i] * scale + shift;
}

/// Normalizes each channel by a mean and variance that are given. Types: float32.
/// Shapes: X [N,C,...] or [N], the others [C].
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`, `input_invalid`.
/// Source: ONNX operator BatchNormalization, versions 1 to 15, for inference.
class BatchNormalization final : public Kernel {
 public:
  explicit BatchNormalization(float epsilon) : epsilon_(epsilon) {}

  Done Run(KernelContext& context) const override {
    for (size_t i = kX; i <= kVariance; ++i) {
      TRY_OK(RequireFloat(context, i));
    }
    for (size_t i = 1; i < context.output_count(); ++i) {
      if (context.WantsOutput(i)) return OnlyInference();
    }
    const Shape& shape = context.InputShape(kX);
    if (shape.empty()) return ShapeInvalid("BatchNormalization: the input is a scalar");
    const int64_t channels = shape.size() > 1 ? shape[1] : 1;
    TRY(const size_t plane, CountBetween(shape, std::min<size_t>(shape.size(), 2), shape.size()));
    std::array<const float*, 5> values;
    for (size_t i = kScale; i <= kVariance; ++i) {
      if (context.InputShape(i) != Shape{channels}) {
        return ShapeInvalid("BatchNormalization: a parameter hasn't one element per channel");
      }
    }
    for (size_t i = kX; i <= kVariance; ++i) {
      TRY(const TensorView view, context.Input(i));
      values[i] = view.Values<float>().data();
    }
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    context.threads().ParallelFor(
        y.size() / plane, 16 * 1024 / plane + 1, [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) {
            const size_t c = i % static_cast<size_t>(channels);
            const float scale = values[kScale][c] / std::sqrt(values[kVariance][c] + epsilon_);
            ScaleAndShift(values[kX] + i * plane, scale,
                          values[kBias][c] - values[kMean][c] * scale, plane, &y[i * plane]);
          }
        });
    return {};
  }

 private:
  float epsilon_;
};

}  // namespace

MadeKernel MakeBatchNormalization(const NodeSpec& node) {
  // Before version 14 outputs beyond the first were for training, and may be listed all the same.
  TRY_OK(CheckArity(
      node, {.least_inputs = 5, .most_inputs = 5, .most_outputs = node.opset < 14 ? 5u : 1u}));
  TRY(const float epsilon, node.attributes.Float("epsilon", 1e-5f));
  TRY(const int64_t spatial, node.attributes.Int("spatial", 1));
  TRY(const int64_t training, node.attributes.Int("training_mode", 0));
  TRY(const int64_t testing, node.attributes.Int("is_test", 0));
  if (training != 0 || (node.opset < 9 && spatial == 0) || (node.opset < 7 && testing == 0)) {
    return OnlyInference();
  }
  return std::make_unique<BatchNormalization>(epsilon);
}

}  // namespace ephemeralml::engine::kernels
