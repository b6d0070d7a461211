#include <cmath>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr double kMostElements = 0x1p+42;  // as tensors in general

// How many of start, start + delta, … come before `limit`.
template <class T>
Result<int64_t> CountSteps(T start, T limit, T delta) {
  if (delta == T{0}) return InputInvalid("Range: the step is zero");
  if constexpr (std::is_floating_point_v<T>) {
    const double steps = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) /
                                   static_cast<double>(delta));
    if (std::isnan(steps)) return InputInvalid("Range: an end isn't a number");
    if (steps > kMostElements) {
      return Error{Code::kOverLimit, "size_overflow", "Range: more elements than we count"};
    }
    return steps > 0 ? static_cast<int64_t>(steps) : 0;
  } else {
    if (delta > 0 ? start >= limit : start <= limit) return 0;
    // The distance fits into 64 bits without a sign even from one end of the type to the other.
    const auto low = static_cast<uint64_t>(delta > 0 ? start : limit);
    const auto high = static_cast<uint64_t>(delta > 0 ? limit : start);
    const auto step = static_cast<uint64_t>(delta);
    const uint64_t steps = (high - low - 1) / (delta > 0 ? step : uint64_t{0} - step) + 1;
    if (static_cast<double>(steps) > kMostElements) {
      return Error{Code::kOverLimit, "size_overflow", "Range: more elements than we count"};
    }
    return static_cast<int64_t>(steps);
  }
}

template <class T>
T Element(T start, T delta, int64_t index) {
  if constexpr (std::is_floating_point_v<T>) {
    return start + static_cast<T>(index) * delta;
  } else {
    // Every element lies between start and limit, but the product may not fit; without a sign it
    // wraps.
    return static_cast<T>(static_cast<uint64_t>(start) +
                          static_cast<uint64_t>(index) * static_cast<uint64_t>(delta));
  }
}

class Range final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const TensorView start_tensor, RequiredInput(context, 0));
    TRY(const TensorView limit_tensor, RequiredInput(context, 1));
    TRY(const TensorView delta_tensor, RequiredInput(context, 2));
    using Types = TypeList<float, double, int16_t, int32_t, int64_t>;
    return WithType(Types{}, start_tensor.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(const T start, OneElement<T>(start_tensor));
      TRY(const T limit, OneElement<T>(limit_tensor));
      TRY(const T delta, OneElement<T>(delta_tensor));
      TRY(const int64_t count, CountSteps(start, limit, delta));
      TRY(Tensor * output, context.Output(0, start_tensor.type, {count}));
      T* values = Raw<T>(*output);
      for (int64_t i = 0; i < count; ++i) values[i] = Element(start, delta, i);
      return {};
    });
  }
};

}  // namespace

/// start, start + delta, … up to limit, which is left out.
/// Errors: kMalformed `input_invalid` (step 0, NaN), kOverLimit. Source: ONNX operator Range,
/// version 11.
MadeKernel MakeRange(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  return std::make_unique<Range>();
}

}  // namespace ephemeralml::engine::kernels
