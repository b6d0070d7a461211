// IsNaN and IsInf: a boolean for each floating-point element.

#include <cmath>

#include "enclave/engine/kernels/unary.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T, class Function>
EPHEMERAL_MULTIVERSION void ClassifyRun(const T* source, uint8_t* target, size_t count,
                                        Function function) {
  for (size_t i = 0; i < count; ++i) target[i] = static_cast<uint8_t>(function(source[i]));
}

template <class Function>
class Classify final : public Kernel {
 public:
  explicit Classify(Function function) : function_(function) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, ElementType::kBool, input.shape));
      const auto source = input.Values<T>();
      uint8_t* target = Raw<uint8_t>(*output);
      context.threads().ParallelFor(
          source.size(), kElementwiseGrain, [&](size_t begin, size_t end) {
            ClassifyRun(source.data() + begin, target + begin, end - begin, function_);
          });
      return {};
    });
  }

 private:
  Function function_;
};

template <class Function>
MadeKernel MakeClassify(const NodeSpec& node, Function function) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<Classify<Function>>(function);
}

}  // namespace

/// Source: ONNX operator IsNaN, versions 9 to 20.
MadeKernel MakeIsNaN(const NodeSpec& node) {
  return MakeClassify(node, [](auto x) { return std::isnan(x); });
}

/// Attributes say whether either sign counts. Source: ONNX operator IsInf, versions 10 and 20.
MadeKernel MakeIsInf(const NodeSpec& node) {
  TRY(const int64_t negative, node.attributes.Int("detect_negative", 1));
  TRY(const int64_t positive, node.attributes.Int("detect_positive", 1));
  return MakeClassify(node, [below = negative != 0, above = positive != 0](auto x) {
    return std::isinf(x) && (x < 0 ? below : above);
  });
}

}  // namespace ephemeralml::engine::kernels
