// Comparisons of two operands of one type under broadcasting; the results are booleans.

#include "enclave/engine/kernels/binary.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class Function>
class Comparison final : public Kernel {
 public:
  Comparison(Function function, bool takes_booleans, LegacyAxis legacy)
      : function_(function), takes_booleans_(takes_booleans), legacy_(legacy) {}

  Done Run(KernelContext& context) const override {
    TRY(const Operands operands, ReadOperands(context, legacy_));
    if (operands.a.type == ElementType::kBool && takes_booleans_) {
      // Any byte but 0 is true.
      return Compare<uint8_t>(context, operands, [this](uint8_t a, uint8_t b) {
        return function_(uint8_t{a != 0}, uint8_t{b != 0});
      });
    }
    return WithType(NumericTypes{}, operands.a.type, [&]<class T>(std::type_identity<T>) {
      return Compare<T>(context, operands, function_);
    });
  }

 private:
  template <class T, class Compared>
  Done Compare(KernelContext& context, const Operands& operands, Compared compared) const {
    const Broadcast& broadcast = operands.broadcast;
    TRY(Tensor * output, context.Output(0, ElementType::kBool, broadcast.output_shape()));
    Zip(context.threads(), broadcast, Raw<T>(operands.a), Raw<T>(operands.b), Raw<uint8_t>(*output),
        [compared](T a, T b) { return static_cast<uint8_t>(compared(a, b)); });
    return {};
  }

  Function function_;
  bool takes_booleans_;
  LegacyAxis legacy_;
};

template <class Function>
MadeKernel MakeComparison(const NodeSpec& node, Function function, bool takes_booleans = false) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const LegacyAxis legacy, ReadLegacyAxis(node));
  return std::make_unique<Comparison<Function>>(function, takes_booleans, legacy);
}

}  // namespace

/// Source: ONNX operator Equal, versions 1 to 19, without strings.
MadeKernel MakeEqual(const NodeSpec& node) {
  return MakeComparison(
      node, [](auto a, auto b) { return a == b; }, true);
}

/// Source: ONNX operator Greater, versions 1 to 13.
MadeKernel MakeGreater(const NodeSpec& node) {
  return MakeComparison(node, [](auto a, auto b) { return a > b; });
}

/// Source: ONNX operator GreaterOrEqual, versions 12 and 16.
MadeKernel MakeGreaterOrEqual(const NodeSpec& node) {
  return MakeComparison(node, [](auto a, auto b) { return a >= b; });
}

/// Source: ONNX operator Less, versions 1 to 13.
MadeKernel MakeLess(const NodeSpec& node) {
  return MakeComparison(node, [](auto a, auto b) { return a < b; });
}

/// Source: ONNX operator LessOrEqual, versions 12 and 16.
MadeKernel MakeLessOrEqual(const NodeSpec& node) {
  return MakeComparison(node, [](auto a, auto b) { return a <= b; });
}

}  // namespace ephemeralml::engine::kernels
