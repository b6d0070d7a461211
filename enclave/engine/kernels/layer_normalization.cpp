#include <cmath>

#include "enclave/engine/kernels/broadcast.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/strided_copy.h"
#include "enclave/engine/panels/normalize_rows.h"

namespace ephemeralml::engine::kernels {
namespace {

panels::RowMoments NormalizeRow(const float* x, const float* scale, const float* bias, float* y,
                                size_t count, float epsilon) {
  return panels::NormalizeRow(x, scale, bias, y, static_cast<int64_t>(count), epsilon);
}

panels::RowMoments NormalizeRow(const double* x, const double* scale, const double* bias, double* y,
                                size_t count, double epsilon) {
  const auto size = static_cast<double>(count);
  const double mean = SumLanes(x, count, [](double v) { return v; }) / size;
  const double squares = SumLanes(x, count, [mean](double v) { return (v - mean) * (v - mean); });
  const double inverse = 1 / std::sqrt(squares / size + epsilon);
  for (size_t i = 0; i < count; ++i) {
    y[i] = (x[i] - mean) * inverse * scale[i] + (bias == nullptr ? 0 : bias[i]);
  }
  return {static_cast<float>(mean), static_cast<float>(inverse)};
}

// Scale or bias, one element for each of the input's: `row_step` is 0 if all rows share them.
struct Parameter {
  const uint8_t* bytes = nullptr;
  size_t row_step = 0;
  ArenaBlock expanded;
};

// Takes a parameter of the normalized axes' shape as it is, and spreads any other over the input.
Result<Parameter> ReadParameter(KernelContext& context, size_t index, const TensorView& x,
                                size_t axis) {
  TRY(const TensorView given, RequiredInput(context, index));
  if (given.type != x.type) return InputInvalid("the inputs' types differ");
  if (wire::ElementBytes(x.type) == 0) return TypeUnsupported(x.type);
  const Shape inner(x.shape.begin() + static_cast<std::ptrdiff_t>(axis), x.shape.end());
  if (given.shape == inner) return Parameter{given.bytes.data(), 0, {}};
  TRY(const Shape shape, BroadcastShapes(x.shape, given.shape));
  if (shape != x.shape) {
    return ShapeInvalid("scale or bias doesn't broadcast to the input's shape");
  }
  TRY(ArenaBlock expanded, context.ScratchToOverwrite(x.bytes.size()));
  const std::vector<int64_t> source_strides = Strides(given.shape);
  const std::vector<int64_t> target_strides = Strides(shape);
  const size_t added = shape.size() - given.shape.size();
  std::vector<BoxAxis> box;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool repeats = i < added || given.shape[i - added] == 1;
    box.push_back({shape[i], repeats ? 0 : source_strides[i - added], target_strides[i]});
  }
  CopyBox(context.threads(), wire::ElementBytes(x.type), box, given.bytes.data(),
          expanded.bytes().data());
  TRY(const size_t row, CountBetween(shape, axis, shape.size()));
  Parameter parameter{nullptr, row, std::move(expanded)};
  parameter.bytes = parameter.expanded.bytes().data();
  return parameter;
}

template <class T>
EPHEMERAL_MULTIVERSION void ScaleRow(const T* x, const T* scale, T* y, size_t count, T epsilon) {
  const T squares = SumLanes(x, count, [](T v) { return v * v; });
  const T inverse = T{1} / std::sqrt(squares / static_cast<T>(count) + epsilon);
  for (size_t i = 0; i < count; ++i) y[i] = x[i] * inverse * scale[i];
}

class RmsNormalization final : public Kernel {
 public:
  RmsNormalization(int64_t axis, float epsilon) : axis_(axis), epsilon_(epsilon) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const size_t axis, NormalizeAxis(axis_, x.shape.size()));
    TRY(const Parameter scale, ReadParameter(context, 1, x, axis));
    TRY(const size_t rows, CountBetween(x.shape, 0, axis));
    TRY(const size_t count, CountBetween(x.shape, axis, x.shape.size()));
    return WithType(FloatTypes{}, x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.OutputToOverwrite(0, x.type, x.shape));
      const T* source = Raw<T>(x);
      T* target = Raw<T>(*output);
      const T* scales = reinterpret_cast<const T*>(scale.bytes);
      context.threads().ParallelFor(rows, RowGrain(count), [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          ScaleRow(source + row * count, scales + row * scale.row_step, target + row * count, count,
                   static_cast<T>(epsilon_));
        }
      });
      return {};
    });
  }

 private:
  int64_t axis_;
  float epsilon_;
};

class LayerNormalization final : public Kernel {
 public:
  LayerNormalization(int64_t axis, float epsilon) : axis_(axis), epsilon_(epsilon) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const size_t axis, NormalizeAxis(axis_, x.shape.size()));
    TRY(const Parameter scale, ReadParameter(context, 1, x, axis));
    Parameter bias;
    if (context.HasInput(2)) {
      TRY(bias, ReadParameter(context, 2, x, axis));
    }
    Shape moments_shape = x.shape;
    std::fill(moments_shape.begin() + static_cast<std::ptrdiff_t>(axis), moments_shape.end(), 1);
    TRY(float* means, Moment(context, 1, moments_shape));
    TRY(float* inverses, Moment(context, 2, moments_shape));
    TRY(const size_t rows, CountBetween(x.shape, 0, axis));
    TRY(const size_t count, CountBetween(x.shape, axis, x.shape.size()));
    return WithType(FloatTypes{}, x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.OutputToOverwrite(0, x.type, x.shape));
      const T* source = Raw<T>(x);
      T* target = Raw<T>(*output);
      const T* scales = reinterpret_cast<const T*>(scale.bytes);
      const T* biases = reinterpret_cast<const T*>(bias.bytes);
      context.threads().ParallelFor(rows, RowGrain(count), [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const panels::RowMoments moments =
              NormalizeRow(source + row * count, scales + row * scale.row_step,
                           biases == nullptr ? nullptr : biases + row * bias.row_step,
                           target + row * count, count, static_cast<T>(epsilon_));
          if (means != nullptr) means[row] = moments.mean;
          if (inverses != nullptr) inverses[row] = moments.inverse_deviation;
        }
      });
      return {};
    });
  }

 private:
  // Null if nobody reads the output.
  static Result<float*> Moment(KernelContext& context, size_t index, const Shape& shape) {
    if (index >= context.output_count() || !context.WantsOutput(index)) {
      return static_cast<float*>(nullptr);
    }
    TRY(Tensor * output, context.Output(index, ElementType::kFloat, shape));
    return Raw<float>(*output);
  }

  int64_t axis_;
  float epsilon_;
};

Done CheckStashType(const NodeSpec& node) {
  TRY(const int64_t stash_type, node.attributes.Int("stash_type", 1));
  if (stash_type == static_cast<int64_t>(ElementType::kFloat)) return {};
  return Error{Code::kUnsupported, "operator_unsupported",
               node.op + ": attribute 'stash_type' must be float"};
}

}  // namespace

/// Divides by the root of the mean square over an axis and all behind it, then scales. Types: float
/// and double. Errors: kUnsupported `operator_unsupported` (a stash_type but float). Source: ONNX
/// operator RMSNormalization, version 23.
MadeKernel MakeRMSNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t axis, node.attributes.Int("axis", -1));
  TRY(const float epsilon, node.attributes.Float("epsilon", 1e-5f));
  TRY_OK(CheckStashType(node));
  return std::make_unique<RmsNormalization>(axis, epsilon);
}

/// Normalizes over an axis and all behind it, then scales and shifts. The second and third outputs,
/// mean and inverse standard deviation, are single precision. Types: float and double. Errors:
/// kUnsupported `operator_unsupported` (a stash_type but float). Source: ONNX operator
/// LayerNormalization, version 17.
MadeKernel MakeLayerNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node,
                    {.least_inputs = 2, .most_inputs = 3, .least_outputs = 1, .most_outputs = 3}));
  TRY(const int64_t axis, node.attributes.Int("axis", -1));
  TRY(const float epsilon, node.attributes.Float("epsilon", 1e-5f));
  TRY_OK(CheckStashType(node));
  return std::make_unique<LayerNormalization>(axis, epsilon);
}

}  // namespace ephemeralml::engine::kernels
