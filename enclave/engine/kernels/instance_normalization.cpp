#include <cmath>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T>
EPHEMERAL_MULTIVERSION void NormalizeChannel(const T* x, T* y, size_t count, T scale, T bias,
                                             T epsilon) {
  const T mean = SumLanes(x, count, [](T v) { return v; }) / static_cast<T>(count);
  const T squares = SumLanes(x, count, [mean](T v) { return (v - mean) * (v - mean); });
  const T factor = scale / std::sqrt(squares / static_cast<T>(count) + epsilon);
  for (size_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * factor + bias;
}

class InstanceNormalization final : public Kernel {
 public:
  explicit InstanceNormalization(float epsilon) : epsilon_(epsilon) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const TensorView scale, RequiredInput(context, 1));
    TRY(const TensorView bias, RequiredInput(context, 2));
    if (x.shape.size() < 2) return ShapeInvalid("InstanceNormalization: the input has no channels");
    if (scale.type != x.type || bias.type != x.type) {
      return InputInvalid("InstanceNormalization: the inputs' types differ");
    }
    const Shape channels = {x.shape[1]};
    if (scale.shape != channels || bias.shape != channels) {
      return ShapeInvalid("InstanceNormalization: scale and bias must hold one number a channel");
    }
    TRY(const size_t rows, CountBetween(x.shape, 0, 2));
    TRY(const size_t count, CountBetween(x.shape, 2, x.shape.size()));
    return WithType(FloatTypes{}, x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, x.type, x.shape));
      const T* source = Raw<T>(x);
      T* target = Raw<T>(*output);
      const auto scales = scale.Values<T>();
      const auto biases = bias.Values<T>();
      context.threads().ParallelFor(rows, RowGrain(count), [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const size_t channel = row % scales.size();
          NormalizeChannel(source + row * count, target + row * count, count, scales[channel],
                           biases[channel], static_cast<T>(epsilon_));
        }
      });
      return {};
    });
  }

 private:
  float epsilon_;
};

}  // namespace

/// Normalizes each channel of each sample over all other axes, then scales and shifts. Shapes:
/// input [N, C, …], scale and bias [C]. Types: float and double. Source: ONNX operator
/// InstanceNormalization, versions 1 and 6.
MadeKernel MakeInstanceNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  TRY(const float epsilon, node.attributes.Float("epsilon", 1e-5f));
  return std::make_unique<InstanceNormalization>(epsilon);
}

}  // namespace ephemeralml::engine::kernels
