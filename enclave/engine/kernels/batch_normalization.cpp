#include <cmath>
#include <vector>

#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

EPHEMERAL_MULTIVERSION void ScaleAndShift(const float* x, float* y, size_t count, float scale,
                                          float shift) {
  for (size_t i = 0; i < count; ++i) y[i] = x[i] * scale + shift;
}

/// Normalizes each channel by the statistics of training: Y = (X - mean) / sqrt(var + epsilon) *
/// scale + B. Shapes: X [N, C, ...], the others [C]. Types: float32. Errors: kUnsupported
/// `type_unsupported`; kMalformed `shape_invalid`. Source: ONNX operator BatchNormalization,
/// versions 7 to 15, inference.
class BatchNormalization final : public Kernel {
 public:
  explicit BatchNormalization(float epsilon) : epsilon_(epsilon) {}

  Done Run(KernelContext& context) const override {
    for (size_t i = 0; i < 5; ++i) TRY_OK(RequireFloat(context, i));
    TRY(const TensorView x, context.Input(0));
    if (x.shape.size() < 2) return ShapeInvalid("BatchNormalization: X has no channels");
    const auto channels = static_cast<size_t>(x.shape[1]);
    for (size_t i = 1; i < 5; ++i) {
      if (context.InputShape(i) != Shape{x.shape[1]}) {
        return ShapeInvalid("BatchNormalization: the statistics aren't one number a channel");
      }
    }
    TRY(const TensorView scale, context.Input(1));
    TRY(const TensorView bias, context.Input(2));
    TRY(const TensorView mean, context.Input(3));
    TRY(const TensorView variance, context.Input(4));
    TRY(Tensor * y, context.Output(0, ElementType::kFloat, x.shape));
    if (x.bytes.empty()) return {};
    TRY(const size_t inner, CountBetween(x.shape, 2, x.shape.size()));
    const float* from = x.Values<float>().data();
    float* to = y->MutableValues<float>().data();
    const auto planes = static_cast<size_t>(x.shape[0]) * channels;
    context.threads().ParallelFor(planes, RowGrain(inner), [&](size_t begin, size_t end) {
      for (size_t plane = begin; plane < end; ++plane) {
        const size_t c = plane % channels;
        const float factor =
            scale.Values<float>()[c] / std::sqrt(variance.Values<float>()[c] + epsilon_);
        const float shift = bias.Values<float>()[c] - mean.Values<float>()[c] * factor;
        ScaleAndShift(from + plane * inner, to + plane * inner, inner, factor, shift);
      }
    });
    return {};
  }

 private:
  float epsilon_;
};

}  // namespace

MadeKernel MakeBatchNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 5, .most_inputs = 5, .most_outputs = 5}));
  TRY(const float epsilon, node.attributes.Float("epsilon", 1e-5f));
  TRY(const int64_t training, node.attributes.Int("training_mode", 0));
  TRY(const int64_t spatial, node.attributes.Int("spatial", 1));
  if (training != 0 || spatial != 1) {
    return AttributeInvalid("BatchNormalization: only inference over channels is done");
  }
  return std::make_unique<BatchNormalization>(epsilon);
}

}  // namespace ephemeralml::engine::kernels
