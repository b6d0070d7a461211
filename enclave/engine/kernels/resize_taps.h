#pragma once
// Resize, one axis at a time: which input elements make up each output element, and with what
// weights. All of it is computed in single precision, as the other implementations do: where a
// coordinate falls between two elements, rounding decides.

#include <cstdint>
#include <span>
#include <string_view>

#include "common/base/result.h"
#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine::kernels {

enum class Interpolation { kNearest, kLinear, kCubic };
enum class CoordinateMode {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNn,
  kTfCropAndResize,
};
enum class NearestMode { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil, kVersion10 };

/// A node's attributes.
struct ResizeOptions {
  Interpolation interpolation = Interpolation::kNearest;
  CoordinateMode coordinates = CoordinateMode::kHalfPixel;
  NearestMode nearest = NearestMode::kRoundPreferFloor;
  float cubic_a = -0.75f;
  bool excludes_outside = false;
  bool antialiases = false;
};

/// One axis that changes. Both extents are at least 1, the scale is positive and finite.
struct ResizeAxis {
  int64_t input = 1;
  int64_t output = 1;
  float scale = 1;
  float roi_start = 0;
  float roi_end = 1;
};

/// For each output index `per_output` taps: an input index and its weight.
class Taps {
 public:
  /// Memory for them comes from the arena. Errors: those of KernelContext::Scratch.
  static Result<Taps> Create(KernelContext& context, const ResizeOptions& options,
                             const ResizeAxis& axis);

  size_t per_output() const { return per_output_; }
  std::span<const int64_t> IndicesOf(size_t output) const;
  std::span<const float> WeightsOf(size_t output) const;
  /// True if the output index lies outside the input, so that the extrapolation value stands there.
  bool IsOutside(size_t output) const { return outside_.bytes()[output] != 0; }

 private:
  void Fill(const ResizeOptions& options, const ResizeAxis& axis, size_t output);

  size_t per_output_ = 1;
  ArenaBlock indices_;
  ArenaBlock weights_;
  ArenaBlock outside_;
};

}  // namespace ephemeralml::engine::kernels
