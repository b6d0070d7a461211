#include "enclave/engine/kernels/resize_taps.h"

#include <algorithm>
#include <cmath>

#include "common/base/checked.h"

namespace ephemeralml::engine::kernels {
namespace {

// The coordinate in the input that an output index stands for. Source: ONNX operator Resize,
// version 19, attribute coordinate_transformation_mode.
float Coordinate(CoordinateMode mode, const ResizeAxis& axis, float x) {
  const auto input = static_cast<float>(axis.input);
  const auto output = static_cast<float>(axis.output);
  switch (mode) {
    case CoordinateMode::kHalfPixel:
      return (x + 0.5f) / axis.scale - 0.5f;
    case CoordinateMode::kHalfPixelSymmetric: {
      const float adjustment = output / (axis.scale * input);
      const float offset = input / 2.0f * (1.0f - adjustment);
      return offset + (x + 0.5f) / axis.scale - 0.5f;
    }
    case CoordinateMode::kPytorchHalfPixel:
      return axis.output > 1 ? (x + 0.5f) / axis.scale - 0.5f : 0.0f;
    case CoordinateMode::kAlignCorners:
      return axis.output > 1 ? x * (input - 1.0f) / (output - 1.0f) : 0.0f;
    case CoordinateMode::kAsymmetric:
      return x / axis.scale;
    case CoordinateMode::kTfHalfPixelForNn:
      return (x + 0.5f) / axis.scale;
    case CoordinateMode::kTfCropAndResize:
      if (axis.output == 1) return 0.5f * (axis.roi_start + axis.roi_end) * (input - 1.0f);
      return axis.roi_start * (input - 1.0f) +
             x * (axis.roi_end - axis.roi_start) * (input - 1.0f) / (output - 1.0f);
  }
  return x;
}

float RoundNearest(NearestMode mode, float x, float scale) {
  switch (mode) {
    case NearestMode::kRoundPreferFloor:
      return std::ceil(x - 0.5f);
    case NearestMode::kRoundPreferCeil:
      return std::floor(x + 0.5f);
    case NearestMode::kFloor:
      return std::floor(x);
    case NearestMode::kCeil:
      return std::ceil(x);
    case NearestMode::kVersion10:
      // Version 10 leaves the rounding open; this is what ONNX Runtime does.
      return scale < 1.0f ? std::ceil(x) : std::floor(x);
  }
  return x;
}

// The kernel function of an interpolation, at a distance in (filtered) elements.
float Filter(const ResizeOptions& options, float distance) {
  const float d = std::fabs(distance);
  if (options.interpolation == Interpolation::kLinear) return std::max(1.0f - d, 0.0f);
  const float a = options.cubic_a;
  if (d <= 1.0f) return ((a + 2.0f) * d - (a + 3.0f)) * d * d + 1.0f;
  if (d < 2.0f) return ((a * d - 5.0f * a) * d + 8.0f * a) * d - 4.0f * a;
  return 0.0f;
}

// By how much the filter is stretched: only shrinking with antialiasing does.
float FilterScale(const ResizeOptions& options, const ResizeAxis& axis) {
  return options.antialiases ? std::min(axis.scale, 1.0f) : 1.0f;
}

// How many elements a filter reaches to one side.
float Reach(const ResizeOptions& options, const ResizeAxis& axis) {
  const float support = options.interpolation == Interpolation::kLinear ? 1.0f : 2.0f;
  return support / FilterScale(options, axis);
}

}  // namespace

Result<Taps> Taps::Create(KernelContext& context, const ResizeOptions& options,
                          const ResizeAxis& axis) {
  Taps taps;
  if (options.interpolation != Interpolation::kNearest) {
    taps.per_output_ = 2 * static_cast<size_t>(std::ceil(Reach(options, axis)));
  }
  const auto outputs = static_cast<size_t>(axis.output);
  TRY(const size_t count, CheckedMultiply(outputs, taps.per_output_));
  TRY(const size_t bytes, CheckedMultiply(count, sizeof(int64_t)));
  TRY(taps.indices_, context.Scratch(bytes));
  TRY(taps.weights_, context.Scratch(count * sizeof(float)));
  TRY(taps.outside_, context.Scratch(outputs));
  for (size_t output = 0; output < outputs; ++output) taps.Fill(options, axis, output);
  return taps;
}

std::span<const int64_t> Taps::IndicesOf(size_t output) const {
  return {reinterpret_cast<const int64_t*>(indices_.bytes().data()) + output * per_output_,
          per_output_};
}

std::span<const float> Taps::WeightsOf(size_t output) const {
  return {reinterpret_cast<const float*>(weights_.bytes().data()) + output * per_output_,
          per_output_};
}

void Taps::Fill(const ResizeOptions& options, const ResizeAxis& axis, size_t output) {
  auto* indices = reinterpret_cast<int64_t*>(indices_.bytes().data()) + output * per_output_;
  auto* weights = reinterpret_cast<float*>(weights_.bytes().data()) + output * per_output_;
  const auto last = static_cast<float>(axis.input - 1);
  float x = Coordinate(options.coordinates, axis, static_cast<float>(output));
  if (options.coordinates == CoordinateMode::kTfCropAndResize) {
    // A region that isn't numbers lies outside too.
    const bool inside = x >= 0.0f && x <= last;
    outside_.bytes()[output] = inside ? 0 : 1;
    if (!inside) x = 0.0f;
  }
  if (options.interpolation == Interpolation::kNearest) {
    const float nearest = RoundNearest(options.nearest, x, axis.scale);
    indices[0] = std::min(static_cast<int64_t>(std::clamp(nearest, 0.0f, last)), axis.input - 1);
    weights[0] = 1.0f;
    return;
  }
  if (options.interpolation == Interpolation::kLinear && !options.antialiases) {
    x = std::clamp(x, 0.0f, last);
  }
  // However far outside, a coordinate weighs the border's elements alone.
  x = std::clamp(x, -2.0f * Reach(options, axis), last + 2.0f * Reach(options, axis));
  const float filter_scale = FilterScale(options, axis);
  const int64_t first =
      static_cast<int64_t>(std::floor(x)) + 1 - static_cast<int64_t>(per_output_ / 2);
  float sum = 0.0f;
  for (size_t tap = 0; tap < per_output_; ++tap) {
    const int64_t index = first + static_cast<int64_t>(tap);
    const bool is_outside = index < 0 || index >= axis.input;
    indices[tap] = std::clamp<int64_t>(index, 0, axis.input - 1);
    weights[tap] = options.excludes_outside && is_outside
                       ? 0.0f
                       : Filter(options, (static_cast<float>(index) - x) * filter_scale);
    sum += weights[tap];
  }
  const bool normalizes = options.antialiases || options.excludes_outside;
  if (!normalizes || sum == 0.0f) return;
  for (size_t tap = 0; tap < per_output_; ++tap) weights[tap] /= sum;
}

}  // namespace ephemeralml::engine::kernels
