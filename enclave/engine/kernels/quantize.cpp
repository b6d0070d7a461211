// QuantizeLinear and DynamicQuantizeLinear: numbers become integers of few bits.

#include <algorithm>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/quantization.h"

namespace ephemeralml::engine::kernels {
namespace {

template <class T>
EPHEMERAL_MULTIVERSION void QuantizeRun(const float* x, float scale, int32_t zero_point, T* y,
                                        size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = Saturate<T>(x[i] / scale, zero_point);
}

template <class T>
EPHEMERAL_MULTIVERSION void QuantizeEach(const float* x, const float* scales,
                                         const int32_t* zero_points, T* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = Saturate<T>(x[i] / scales[i], zero_points[i]);
}

template <class T>
void Quantize(Threads& threads, const ScaleMap& map, const float* x,
              const std::vector<float>& scales, const std::vector<int32_t>& zero_points, T* y) {
  threads.ParallelFor(map.run_count(), map.grain(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const ScaleRun run = map.RunAt(i);
      if (run.step == 0) {
        QuantizeRun(x + run.element, scales[run.scale], zero_points[run.scale], y + run.element,
                    run.count);
      } else {
        QuantizeEach(x + run.element, scales.data() + run.scale, zero_points.data() + run.scale,
                     y + run.element, run.count);
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

class QuantizeLinear final : public Kernel {
 public:
  QuantizeLinear(int64_t axis, int64_t block, ElementType type)
      : axis_(axis), block_(block), type_(type) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const std::vector<float> scales, ReadScales(context, 1));
    TRY(const ScaleMap map, ScaleMap::Create(x.shape, context.InputShape(1), axis_, block_));
    TRY(const ElementType type, OutputType(context));
    TRY(const std::vector<int32_t> zero_points, ReadZeroPoints(context, 2, scales.size()));
    ArenaBlock scratch;
    TRY(const float* values, AsFloats(context, x, scratch));
    return WithType(QuantizedTypes{}, type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, type, x.shape));
      Quantize(context.threads(), map, values, scales, zero_points, Raw<T>(*output));
      return {};
    });
  }

 private:
  Result<ElementType> OutputType(const KernelContext& context) const {
    if (context.input_count() < 3 || !context.HasInput(2)) {
      return type_ == ElementType::kUndefined ? ElementType::kUint8 : type_;
    }
    const ElementType given = context.InputType(2);
    if (type_ != ElementType::kUndefined && type_ != given) {
      return InputInvalid("QuantizeLinear: 'output_dtype' isn't the zero point's type");
    }
    return given;
  }

  int64_t axis_;
  int64_t block_;
  ElementType type_;  // kUndefined: the zero point's
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
    Quantize(context.threads(), map, values.data(), {scale}, {zero_point}, Raw<uint8_t>(*output));
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
/// int32; y 8 or 16 bits wide, as the zero point or 'output_dtype' says. Source: ONNX operator
/// QuantizeLinear, versions 10 to 21.
MadeKernel MakeQuantizeLinear(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const int64_t axis, node.attributes.Int("axis", 1));
  int64_t block = 0;
  int64_t type = 0;
  if (OnnxVersion(node) >= 21) {
    TRY(block, node.attributes.Int("block_size", 0));
    TRY(type, node.attributes.Int("output_dtype", 0));
  }
  if (block < 0) return AttributeInvalid("QuantizeLinear: attribute 'block_size' is negative");
  if (!std::in_range<int>(type)) return AttributeInvalid("QuantizeLinear: 'output_dtype'");
  const ElementType element = wire::ElementTypeFromNumber(static_cast<int>(type));
  if (type != 0 && element == ElementType::kUndefined) {
    return Error{Code::kUnsupported, "type_unsupported",
                 "QuantizeLinear: attribute 'output_dtype' names a type that isn't supported"};
  }
  return std::make_unique<QuantizeLinear>(axis, block, element);
}

/// Quantizes to uint8 by the range of the input's own values. Source: ONNX operator
/// DynamicQuantizeLinear, version 11; where all values are 0, which it leaves open, the scale is 1.
MadeKernel MakeDynamicQuantizeLinear(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_outputs = 3, .most_outputs = 3}));
  return std::make_unique<DynamicQuantizeLinear>();
}

}  // namespace ephemeralml::engine::kernels
