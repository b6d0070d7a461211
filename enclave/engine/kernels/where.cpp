#include "enclave/engine/kernels/broadcast.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/unary.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T, size_t kXStep, size_t kYStep>
EPHEMERAL_MULTIVERSION void ChooseRun(const uint8_t* condition, const T* x, const T* y, T* out,
                                      size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = condition[i] != 0 ? x[i * kXStep] : y[i * kYStep];
}

template <class T>
void Choose(const Broadcast& broadcast, const Broadcast::Run& run, const uint8_t* condition,
            const T* x, const T* y, T* out) {
  condition += run.operand[0];
  x += run.operand[1];
  y += run.operand[2];
  out += run.output;
  const size_t x_step = broadcast.step(1);
  const size_t y_step = broadcast.step(2);
  if (broadcast.step(0) == 0) {
    const T* chosen = *condition != 0 ? x : y;
    const size_t step = *condition != 0 ? x_step : y_step;
    for (size_t i = 0; i < run.length; ++i) out[i] = chosen[i * step];
  } else if (x_step == 1 && y_step == 1) {
    ChooseRun<T, 1, 1>(condition, x, y, out, run.length);
  } else if (x_step == 1) {
    ChooseRun<T, 1, 0>(condition, x, y, out, run.length);
  } else if (y_step == 1) {
    ChooseRun<T, 0, 1>(condition, x, y, out, run.length);
  } else {
    ChooseRun<T, 0, 0>(condition, x, y, out, run.length);
  }
}

class Where final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const TensorView condition, RequiredInput(context, 0));
    TRY(const TensorView x, RequiredInput(context, 1));
    TRY(const TensorView y, RequiredInput(context, 2));
    if (condition.type != ElementType::kBool) return TypeUnsupported(condition.type);
    if (x.type != y.type) return InputInvalid("Where: the operands' types differ");
    TRY(const Broadcast broadcast, Broadcast::Create({&condition.shape, &x.shape, &y.shape}));
    return WithWidth(x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, x.type, broadcast.output_shape()));
      T* out = Raw<T>(*output);
      context.threads().ParallelFor(
          broadcast.count(), kElementwiseGrain, [&](size_t begin, size_t end) {
            broadcast.ForEachRun(begin, end, [&](const Broadcast::Run& run) {
              Choose(broadcast, run, Raw<uint8_t>(condition), Raw<T>(x), Raw<T>(y), out);
            });
          });
      return {};
    });
  }
};

}  // namespace

/// Elements of the second operand where the first is true, of the third elsewhere; all broadcast.
/// Types: any of fixed width. Source: ONNX operator Where, versions 9 and 16.
MadeKernel MakeWhere(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  return std::make_unique<Where>();
}

}  // namespace ephemeralml::engine::kernels
