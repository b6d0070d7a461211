#include <limits>

#include "enclave/engine/kernels/unary.h"

namespace ephemeralml::engine::kernels {
namespace {

// A NaN stays; where the bounds cross, the upper one wins.
template <class T>
struct Bounds {
  T low = std::numeric_limits<T>::lowest();
  T high = std::numeric_limits<T>::max();

  T operator()(T x) const {
    const T raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
};

// Bounds that are missing leave infinities as they are.
template <class T>
Bounds<T> Unbounded() {
  if constexpr (std::is_floating_point_v<T>) {
    return {-std::numeric_limits<T>::infinity(), std::numeric_limits<T>::infinity()};
  } else {
    return {};
  }
}

template <class T>
Done Apply(KernelContext& context, const Bounds<T>& bounds) {
  TRY(const TensorView input, context.Input(0));
  TRY(Tensor * output, context.OutputToOverwrite(0, input.type, input.shape));
  const auto values = input.Values<T>();
  Map(context.threads(), values.data(), Raw<T>(*output), values.size(), bounds);
  return {};
}

// Before version 11: bounds in attributes, always single precision.
class ClipByAttributes final : public Kernel {
 public:
  ClipByAttributes(float low, float high) : low_(low), high_(high) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    return WithType(FloatTypes{}, context.InputType(0), [&]<class T>(std::type_identity<T>) {
      return Apply<T>(context, {static_cast<T>(low_), static_cast<T>(high_)});
    });
  }

 private:
  float low_;
  float high_;
};

class ClipByInputs final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    return WithType(NumericTypes{}, context.InputType(0),
                    [&]<class T>(std::type_identity<T>) -> Done {
                      auto bounds = Unbounded<T>();
                      TRY_OK(ReadBound(context, 1, bounds.low));
                      TRY_OK(ReadBound(context, 2, bounds.high));
                      return Apply(context, bounds);
                    });
  }

 private:
  template <class T>
  static Done ReadBound(KernelContext& context, size_t index, T& bound) {
    if (!context.HasInput(index)) return {};
    TRY(const TensorView tensor, context.Input(index));
    TRY(bound, OneElement<T>(tensor));
    return {};
  }
};

}  // namespace

/// Elements held between two bounds. Source: ONNX operator Clip, versions 1 to 13.
MadeKernel MakeClip(const NodeSpec& node) {
  if (node.opset >= 11) {
    TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = 3}));
    return std::make_unique<ClipByInputs>();
  }
  TRY_OK(CheckArity(node, {}));
  TRY(const float low, node.attributes.Float("min", std::numeric_limits<float>::lowest()));
  TRY(const float high, node.attributes.Float("max", std::numeric_limits<float>::max()));
  return std::make_unique<ClipByAttributes>(low, high);
}

}  // namespace ephemeralml::engine::kernels
