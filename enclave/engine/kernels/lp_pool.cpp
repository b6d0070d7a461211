// LpPool and GlobalLpPool: norms of what a window, or a whole plane, covers.

#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {
namespace {

class Norm {
 public:
  explicit Norm(double p) : p_(p) {}

  void Add(float value) {
    const double magnitude = std::fabs(static_cast<double>(value));
    sum_ += p_ == 2 ? magnitude * magnitude : p_ == 1 ? magnitude : std::pow(magnitude, p_);
  }
  float Finish() const {
    return static_cast<float>(p_ == 2 ? std::sqrt(sum_) : p_ == 1 ? sum_ : std::pow(sum_, 1 / p_));
  }

 private:
  double p_;
  double sum_ = 0;
};

float NormOfPixel(const Window& w, const float* plane, int64_t pixel, double p) {
  const Spatial out = {pixel / (w.output[1] * w.output[2]), pixel / w.output[2] % w.output[1],
                       pixel % w.output[2]};
  const auto in = [&](size_t axis, int64_t tap) {
    return out[axis] * w.stride[axis] + w.TapAt(axis, tap);
  };
  const auto [z_begin, z_end] = w.TapsInside(0, out[0]);
  const auto [y_begin, y_end] = w.TapsInside(1, out[1]);
  const auto [x_begin, x_end] = w.TapsInside(2, out[2]);
  Norm norm(p);
  for (int64_t z = z_begin; z < z_end; ++z) {
    for (int64_t y = y_begin; y < y_end; ++y) {
      for (int64_t x = x_begin; x < x_end; ++x) {
        norm.Add(plane[(in(0, z) * w.input[1] + in(1, y)) * w.input[2] + in(2, x)]);
      }
    }
  }
  return norm.Finish();
}

/// Types: float32. Source: ONNX operator LpPool, versions 1 to 18.
class LpPool final : public Kernel {
 public:
  LpPool(WindowAttributes attributes, double p) : attributes_(std::move(attributes)), p_(p) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY_OK(RequireFloat(context, 0));
    const Shape& shape = context.InputShape(0);
    TRY(const Window window, SlideWindow(attributes_, shape, attributes_.kernel_shape));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat,
                                        WindowShape(shape[0], shape[1], window, window.output)));
    float* y = output->MutableValues<float>().data();
    const int64_t pixels = Volume(window.output);
    const auto planes = static_cast<size_t>(shape[0] * shape[1]);
    context.threads().ParallelFor(planes, 1, [&](size_t begin, size_t end) {
      for (auto plane = static_cast<int64_t>(begin); plane < static_cast<int64_t>(end); ++plane) {
        const float* values = x.Values<float>().data() + plane * Volume(window.input);
        for (int64_t i = 0; i < pixels; ++i) {
          y[plane * pixels + i] = NormOfPixel(window, values, i, p_);
        }
      }
    });
    return {};
  }

 private:
  WindowAttributes attributes_;
  double p_;
};

/// Types: float32. Source: ONNX operator GlobalLpPool, versions 1 and 2.
class GlobalLpPool final : public Kernel {
 public:
  explicit GlobalLpPool(double p) : p_(p) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY_OK(RequireFloat(context, 0));
    Shape shape = context.InputShape(0);
    if (shape.size() < 3) return ShapeInvalid("the input has no spatial axis");
    TRY(const size_t plane, CountBetween(shape, 2, shape.size()));
    std::fill(shape.begin() + 2, shape.end(), 1);
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape));
    const std::span<float> y = output->MutableValues<float>();
    for (size_t i = 0; i < y.size(); ++i) {
      Norm norm(p_);
      for (const float value : x.Values<float>().subspan(i * plane, plane)) norm.Add(value);
      y[i] = norm.Finish();
    }
    return {};
  }

 private:
  double p_;
};

// A float in the first version, an integer later.
Result<double> ReadP(const NodeSpec& node) {
  double p = 2;
  if (node.opset < 2) {
    TRY(const float given, node.attributes.Float("p", 2.0f));
    p = static_cast<double>(given);
  } else {
    TRY(const int64_t given, node.attributes.Int("p", 2));
    p = static_cast<double>(given);
  }
  if (!(p > 0)) return AttributeInvalid(node.op + ": attribute 'p' isn't positive");
  return p;
}

}  // namespace

MadeKernel MakeLpPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(WindowAttributes attributes, WindowAttributes::ReadPool(node.attributes));
  TRY(const double p, ReadP(node));
  if (attributes.kernel_shape.empty()) {
    return AttributeInvalid("LpPool: attribute 'kernel_shape' is missing");
  }
  return std::make_unique<LpPool>(std::move(attributes), p);
}

MadeKernel MakeGlobalLpPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const double p, ReadP(node));
  return std::make_unique<GlobalLpPool>(p);
}

}  // namespace ephemeralml::engine::kernels
