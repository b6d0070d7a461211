// QuantizeLinear and DynamicQuantizeLinear: numbers become integers of few bits.

#include <algorithm>

#include "common/wire/narrow_float.h"
#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/quantization.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T>
EPHEMERAL_MULTIVERSION void QuantizeRun(const float* x, float scale, int32_t zero_point, T* y,
                                        size_t count, IntegerRange range) {
  for (size_t i = 0; i < count; ++i) y[i] = Saturate<T>(x[i] / scale, zero_point, range);
}

template <class T>
EPHEMERAL_MULTIVERSION void QuantizeEach(const float* x, const float* scales,
                                         const int32_t* zero_points, T* y, size_t count,
                                         IntegerRange range) {
  for (size_t i = 0; i < count; ++i) y[i] = Saturate<T>(x[i] / scales[i], zero_points[i], range);
}

template <class T>
void Quantize(Threads& threads, const ScaleMap& map, const float* x,
              const std::vector<float>& scales, const std::vector<int32_t>& zero_points, T* y,
              IntegerRange range) {
  threads.ParallelFor(map.run_count(), map.grain(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const ScaleRun run = map.RunAt(i);
      if (run.step == 0) {
        QuantizeRun(x + run.element, scales[run.scale], zero_points[run.scale], y + run.element,
                    run.count, range);
      } else {
        QuantizeEach(x + run.element, scales.data() + run.scale, zero_points.data() + run.scale,
                     y + run.element, run.count, range);
      }
    }
  });
}

// A float as the type in which the quotient is computed has it.
float Rounded(float value, ElementType precision) {
  if (precision == ElementType::kFloat16) return Half::From(value).ToFloat();
  return precision == ElementType::kBfloat16 ? Bfloat16::From(value).ToFloat() : value;
}

// What isn't single precision to integers: `finish` makes an element of a quotient and the place of
// its zero point.
template <class T, class Finish>
void QuantizeEvery(Threads& threads, const ScaleMap& map, const float* x,
                   const std::vector<float>& scales, ElementType precision, T* y, Finish finish) {
  threads.ParallelFor(map.run_count(), map.grain(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const ScaleRun run = map.RunAt(i);
      for (size_t k = 0; k < run.count; ++k) {
        const size_t at = run.scale + k * run.step;
        const float quotient =
            Rounded(x[run.element + k], precision) / Rounded(scales[at], precision);
        y[run.element + k] = finish(Rounded(quotient, precision), at);
      }
    }
  });
}

// The input's elements as floats, where they lie or converted into `scratch`.
Result<const float*> AsFloats(KernelContext& context, const TensorView& x, ArenaBlock& scratch) {
  if (x.type == ElementType::kFloat) return Raw<float>(x);
  const bool is_known = x.type == ElementType::kFloat16 || x.type == ElementType::kBfloat16 ||
                        x.type == ElementType::kInt32;
  if (!is_known) return TypeUnsupported(x.type);
  TRY(const size_t count, ElementCount(x.shape));
  TRY(scratch, context.Scratch(count * sizeof(float)));
  TRY_OK(ConvertElements(context.threads(), x, ElementType::kFloat, scratch.bytes()));
  return reinterpret_cast<const float*>(scratch.bytes().data());
}

// What a node's attributes say.
struct QuantizeSettings {
  int64_t axis = 1;
  int64_t block = 0;
  ElementType type = ElementType::kUndefined;       // kUndefined: the zero point's
  ElementType precision = ElementType::kUndefined;  // kUndefined: the scale's, or float
  bool follows_scale = false;
  wire::Narrowing how;
};

IntegerRange RangeOf(ElementType type) {
  const wire::SmallInteger format = wire::SmallIntegerOf(type);
  return {format.Least(), format.Most()};
}

// The type whose loop makes elements of `type`: small integers are extended to bytes.
ElementType LoopType(ElementType type) {
  if (!wire::IsSmallInteger(type)) return type;
  return wire::SmallIntegerOf(type).is_signed ? ElementType::kInt8 : ElementType::kUint8;
}

class QuantizeLinear final : public Kernel {
 public:
  explicit QuantizeLinear(const QuantizeSettings& settings) : settings_(settings) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const std::vector<float> scales, ReadScales(context, 1));
    TRY(const ScaleMap map,
        ScaleMap::Create(x.shape, context.InputShape(1), settings_.axis, settings_.block));
    TRY(const ElementType type, OutputType(context));
    ArenaBlock scratch;
    TRY(const float* values, AsFloats(context, x, scratch));
    if (wire::IsSmallFloat(type)) return ToFloats(context, type, map, values, scales);
    TRY(const std::vector<int32_t> zero_points, ReadZeroPoints(context, 2, scales.size()));
    return WithType(QuantizedTypes{}, LoopType(type), [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, type, x.shape));
      const IntegerRange range = wire::IsSmallInteger(type) ? RangeOf(type) : kRangeOf<T>;
      const ElementType precision = Precision(context);
      if (precision == ElementType::kFloat) {
        Quantize(context.threads(), map, values, scales, zero_points, Raw<T>(*output), range);
      } else {
        QuantizeEvery(context.threads(), map, values, scales, precision, Raw<T>(*output),
                      [&](float quotient, size_t at) {
                        return Saturate<T>(quotient, zero_points[at], range);
                      });
      }
      return {};
    });
  }

 private:
  Done ToFloats(KernelContext& context, ElementType type, const ScaleMap& map, const float* values,
                const std::vector<float>& scales) const {
    if (type == ElementType::kFloat8E8M0) return TypeUnsupported(type);
    TRY(const std::vector<float> zero_points, ReadSmallZeroPoints(context, 2, scales.size()));
    TRY(Tensor * output, context.Output(0, type, context.InputShape(0)));
    // Adding a zero would turn a negative one positive: so do ONNX's data in four bits alone.
    const bool adds_zeros = type == ElementType::kFloat4E2M1;
    const wire::NarrowFloat& format = wire::FormatOf(type);
    QuantizeEvery(context.threads(), map, values, scales, Precision(context),
                  output->MutableBytes().data(), [&](float quotient, size_t at) {
                    const bool adds = adds_zeros || zero_points[at] != 0;
                    const float sum = adds ? quotient + zero_points[at] : quotient;
                    return static_cast<uint8_t>(
                        wire::Narrow(format, static_cast<double>(sum), settings_.how));
                  });
    return {};
  }

  ElementType Precision(const KernelContext& context) const {
    const auto is_half = [](ElementType type) {
      return type == ElementType::kFloat16 || type == ElementType::kBfloat16;
    };
    if (settings_.precision != ElementType::kUndefined) return settings_.precision;
    const ElementType scale = context.InputType(1);
    return settings_.follows_scale && is_half(scale) ? scale : ElementType::kFloat;
  }

  Result<ElementType> OutputType(const KernelContext& context) const {
    if (context.input_count() < 3 || !context.HasInput(2)) {
      return settings_.type == ElementType::kUndefined ? ElementType::kUint8 : settings_.type;
    }
    const ElementType given = context.InputType(2);
    if (settings_.type != ElementType::kUndefined && settings_.type != given) {
      return InputInvalid("QuantizeLinear: 'output_dtype' isn't the zero point's type");
    }
    return given;
  }

  QuantizeSettings settings_;
};

class DynamicQuantizeLinear final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    if (x.type != ElementType::kFloat) return TypeUnsupported(x.type);
    const auto values = x.Values<float>();
    const float low = Extreme(values, [](float a, float b) { return b < a ? b : a; });
    const float high = Extreme(values, [](float a, float b) { return b > a ? b : a; });
    // All zeros: any scale is right, and this one divides.
    const float scale = low == high ? 1.0F : (high - low) / 255.0F;
    const auto zero_point = Saturate<uint8_t>(0.0F - low / scale, 0);
    TRY(Tensor * output, context.Output(0, ElementType::kUint8, x.shape));
    TRY(const ScaleMap map, ScaleMap::Create(x.shape, {}, 0, 0));
    Quantize(context.threads(), map, values.data(), {scale}, {zero_point}, Raw<uint8_t>(*output),
             kRangeOf<uint8_t>);
    TRY(Tensor * scale_output, context.Output(1, ElementType::kFloat, {}));
    scale_output->MutableValues<float>()[0] = scale;
    TRY(Tensor * zero_output, context.Output(2, ElementType::kUint8, {}));
    zero_output->MutableValues<uint8_t>()[0] = zero_point;
    return {};
  }

 private:
  // 0 is always in the range, so that it has an integer of its own.
  template <class Combine>
  static float Extreme(std::span<const float> values, Combine combine) {
    return FoldLanes(
        values.data(), values.size(), 0.0F, [](float v) { return v; }, combine);
  }
};

}  // namespace

/// y = saturate(round(x / scale) + zero point), ties to even. Types: x float, float16, bfloat16 or
/// int32; y an integer of 16 bits and less or a float of 8 or 4, as the zero point or
/// 'output_dtype' says. The quotient is computed in float, or rounded to what 'precision' or, of
/// version 23 on, the scale says. Source: ONNX operator QuantizeLinear, versions 10 to 25.
MadeKernel MakeQuantizeLinear(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  const int64_t version = OnnxVersion(node);
  QuantizeSettings settings;
  TRY(settings.axis, node.attributes.Int("axis", 1));
  settings.how.keeps_bits = version >= 24;
  if (version >= 19) {
    TRY(const int64_t saturate, node.attributes.Int("saturate", 1));
    settings.how.saturate = saturate != 0;
  }
  if (version >= 21) {
    TRY(settings.block, node.attributes.Int("block_size", 0));
    TRY(settings.type, ReadLinearType(node, "output_dtype"));
  }
  if (settings.block < 0) {
    return AttributeInvalid("QuantizeLinear: attribute 'block_size' is negative");
  }
  // Nodes of our own stand for operators of ONNX Runtime, which computes in float.
  settings.follows_scale = version >= 23 && node.domain.empty();
  if (version >= 23) {
    TRY(settings.precision, ReadLinearType(node, "precision"));
  }
  const bool is_known =
      settings.precision == ElementType::kUndefined || settings.precision == ElementType::kFloat ||
      settings.precision == ElementType::kFloat16 || settings.precision == ElementType::kBfloat16;
  if (!is_known) return TypeUnsupported(settings.precision);
  return std::make_unique<QuantizeLinear>(settings);
}

/// Quantizes to uint8 by the range of the input's own values. Source: ONNX operator
/// DynamicQuantizeLinear, version 11; where all values are 0, which it leaves open, the scale is 1.
MadeKernel MakeDynamicQuantizeLinear(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_outputs = 3, .most_outputs = 3}));
  return std::make_unique<DynamicQuantizeLinear>();
}

}  // namespace ephemeralml::engine::kernels
