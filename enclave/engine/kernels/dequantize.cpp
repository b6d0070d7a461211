#include "common/wire/narrow_float.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/quantization.h"

namespace ephemeralml::engine::kernels {
namespace {

using StoredTypes = TypeList<int8_t, uint8_t, int16_t, uint16_t, int32_t>;
using ScaleTypes = TypeList<float, Half, Bfloat16>;

template <class Out>
[[gnu::always_inline]] inline Out Scaled(int32_t difference, float scale) {
  const float value = static_cast<float>(difference) * scale;
  if constexpr (std::is_same_v<Out, float>) {
    return value;
  } else {
    return Out::From(value);
  }
}

// Differences are counted modulo 2^32: of 32-bit elements they may not fit.
template <class T>
[[gnu::always_inline]] inline int32_t Difference(T value, int32_t zero_point) {
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int32_t>(value)) -
                              static_cast<uint32_t>(zero_point));
}

template <class T, class Out>
EPHEMERAL_MULTIVERSION void DequantizeRun(const T* x, float scale, int32_t zero_point, Out* y,
                                          size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = Scaled<Out>(Difference(x[i], zero_point), scale);
}

template <class T, class Out>
EPHEMERAL_MULTIVERSION void DequantizeEach(const T* x, const float* scales,
                                           const int32_t* zero_points, Out* y, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    y[i] = Scaled<Out>(Difference(x[i], zero_points[i]), scales[i]);
  }
}

// Small elements, whose values a table holds.
template <class Out>
void DequantizeSmall(const ScaleRun& run, const float* values, const uint8_t* x,
                     const std::vector<float>& scales, const std::vector<float>& zero_points,
                     Out* y) {
  for (size_t i = 0; i < run.count; ++i) {
    const size_t at = run.scale + i * run.step;
    const float value = (values[x[run.element + i]] - zero_points[at]) * scales[at];
    if constexpr (std::is_same_v<Out, float>) {
      y[run.element + i] = value;
    } else {
      y[run.element + i] = Out::From(value);
    }
  }
}

class DequantizeLinear final : public Kernel {
 public:
  DequantizeLinear(int64_t axis, int64_t block, ElementType type)
      : axis_(axis), block_(block), type_(type) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const std::vector<float> scales, ReadScales(context, 1));
    const Shape shape = context.InputShape(0);
    TRY(const ScaleMap map, ScaleMap::Create(shape, context.InputShape(1), axis_, block_));
    if (context.input_count() > 2 && context.HasInput(2) &&
        context.InputType(2) != context.InputType(0)) {
      return InputInvalid("DequantizeLinear: the zero point isn't of the input's type");
    }
    const ElementType from = context.InputType(0);
    const ElementType to = type_ == ElementType::kUndefined ? context.InputType(1) : type_;
    const bool is_small = wire::IsSmallInteger(from) || wire::IsSmallFloat(from);
    if (from == ElementType::kFloat8E8M0) return TypeUnsupported(from);
    return WithType(ScaleTypes{}, to, [&]<class Out>(std::type_identity<Out>) -> Done {
      if (is_small) return RunSmall<Out>(context, map, scales, to);
      return WithType(StoredTypes{}, from, [&]<class T>(std::type_identity<T>) {
        return RunIntegers<T, Out>(context, map, scales, to);
      });
    });
  }

 private:
  template <class T, class Out>
  static Done RunIntegers(KernelContext& context, const ScaleMap& map,
                          const std::vector<float>& scales, ElementType to) {
    TRY(const std::vector<int32_t> zero_points, ReadZeroPoints(context, 2, scales.size()));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, to, x.shape));
    const T* source = Raw<T>(x);
    Out* target = Raw<Out>(*output);
    const auto run_all = [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const ScaleRun run = map.RunAt(i);
        if (run.step == 0) {
          DequantizeRun(source + run.element, scales[run.scale], zero_points[run.scale],
                        target + run.element, run.count);
        } else {
          DequantizeEach(source + run.element, scales.data() + run.scale,
                         zero_points.data() + run.scale, target + run.element, run.count);
        }
      }
    };
    context.threads().ParallelFor(map.run_count(), map.grain(), run_all);
    return {};
  }

  template <class Out>
  static Done RunSmall(KernelContext& context, const ScaleMap& map,
                       const std::vector<float>& scales, ElementType to) {
    TRY(const std::vector<float> zero_points, ReadSmallZeroPoints(context, 2, scales.size()));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, to, x.shape));
    const float* values = wire::ValuesOf(x.type).data();
    Out* target = Raw<Out>(*output);
    context.threads().ParallelFor(map.run_count(), map.grain(), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        DequantizeSmall(map.RunAt(i), values, x.bytes.data(), scales, zero_points, target);
      }
    });
    return {};
  }

  int64_t axis_;
  int64_t block_;
  ElementType type_;  // kUndefined: the scale's
};

}  // namespace

/// y = (x - zero point) * scale. Types: x integers of 16 bits and less, or int32, or floats of 8
/// and 4 bits; y as 'output_dtype' or the scale says: float, float16 or bfloat16. Source: ONNX
/// operator DequantizeLinear, versions 10 to 25.
MadeKernel MakeDequantizeLinear(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const int64_t axis, node.attributes.Int("axis", 1));
  int64_t block = 0;
  if (OnnxVersion(node) >= 21) {
    TRY(block, node.attributes.Int("block_size", 0));
  }
  if (block < 0) return AttributeInvalid("DequantizeLinear: attribute 'block_size' is negative");
  ElementType type = ElementType::kUndefined;
  if (OnnxVersion(node) >= 23) {
    TRY(type, ReadLinearType(node, "output_dtype"));
  }
  return std::make_unique<DequantizeLinear>(axis, block, type);
}

}  // namespace ephemeralml::engine::kernels
