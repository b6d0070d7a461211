#include <cmath>

#include "enclave/engine/kernels/binary.h"
#include "enclave/engine/kernels/convert.h"

namespace ephemeralml::engine::kernels {
namespace {

// Wraps like a product; 1 over an integer is rounded towards zero, and 0 for a base of 0.
int64_t IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base != 1 && base != -1) return 0;
    return (exponent & 1) != 0 ? base : 1;
  }
  uint64_t power = 1;
  auto square = static_cast<uint64_t>(base);
  for (auto rest = static_cast<uint64_t>(exponent); rest != 0; rest >>= 1) {
    if ((rest & 1) != 0) power *= square;
    square *= square;
  }
  return static_cast<int64_t>(power);
}

bool IsFloatingPoint(ElementType type) {
  return type == ElementType::kFloat || type == ElementType::kDouble;
}

class Pow final : public Kernel {
 public:
  explicit Pow(LegacyAxis legacy) : legacy_(legacy) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView base, RequiredInput(context, 0));
    TRY(TensorView exponent, RequiredInput(context, 1));
    TRY_OK(PlaceAtAxis(legacy_, base.shape, exponent.shape));
    TRY(const Broadcast broadcast, Broadcast::Create({&base.shape, &exponent.shape}));
    for (const ElementType type : {base.type, exponent.type}) {
      TRY_OK(WithType(NumericTypes{}, type, [](auto) -> Done { return {}; }));
    }
    TRY(Tensor * output, context.Output(0, base.type, broadcast.output_shape()));
    if (base.type == ElementType::kFloat && exponent.type == ElementType::kFloat) {
      RunFloat(context.threads(), base, exponent, broadcast, Raw<float>(*output));
      return {};
    }
    if (IsFloatingPoint(base.type) || IsFloatingPoint(exponent.type)) {
      return RunMixed<double>(context, base, exponent, broadcast, *output,
                              [](double x, double y) { return std::pow(x, y); });
    }
    return RunMixed<int64_t>(context, base, exponent, broadcast, *output, IntegerPower);
  }

 private:
  static void RunFloat(Threads& threads, const TensorView& base, const TensorView& exponent,
                       const Broadcast& broadcast, float* output) {
    const auto x = base.Values<float>();
    const auto y = exponent.Values<float>();
    if (y.size() == 1 && y[0] == 2.0f) {
      return Map(threads, x.data(), output, x.size(), [](float v) { return v * v; });
    }
    if (y.size() == 1 && y[0] == 3.0f) {
      return Map(threads, x.data(), output, x.size(), [](float v) { return v * v * v; });
    }
    Zip(threads, broadcast, x.data(), y.data(), output,
        [](float v, float w) { return std::pow(v, w); });
  }

  // Computes in T what was stored in other types.
  template <class T, class Function>
  static Done RunMixed(KernelContext& context, const TensorView& base, const TensorView& exponent,
                       const Broadcast& broadcast, Tensor& output, Function function) {
    TRY(ArenaBlock x, Converted<T>(context, base));
    TRY(ArenaBlock y, Converted<T>(context, exponent));
    TRY(ArenaBlock powers, context.Scratch(broadcast.count() * sizeof(T)));
    Zip(context.threads(), broadcast, reinterpret_cast<const T*>(x.bytes().data()),
        reinterpret_cast<const T*>(y.bytes().data()), reinterpret_cast<T*>(powers.bytes().data()),
        function);
    const TensorView view{TypeOf<T>(), broadcast.output_shape(), powers.bytes()};
    return ConvertElements(context.threads(), view, output.type(), output.MutableBytes());
  }

  template <class T>
  static Result<ArenaBlock> Converted(KernelContext& context, const TensorView& tensor) {
    TRY(const size_t bytes, ByteCount(TypeOf<T>(), tensor.shape));
    TRY(ArenaBlock block, context.Scratch(bytes));
    TRY_OK(ConvertElements(context.threads(), tensor, TypeOf<T>(), block.bytes()));
    return block;
  }

  LegacyAxis legacy_;
};

}  // namespace

/// Base and exponent may differ in type; the result has the base's. Integers wrap; with a negative
/// exponent they are truncated, and 0 gives 0. Source: ONNX operator Pow, versions 1 to 15.
MadeKernel MakePow(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const LegacyAxis legacy, ReadLegacyAxis(node));
  return std::make_unique<Pow>(legacy);
}

}  // namespace ephemeralml::engine::kernels
