// GridSample and AffineGrid.

#include <algorithm>
#include <array>
#include <cmath>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

enum class SampleMode { kLinear, kNearest, kCubic };
enum class OutsideMode { kZeros, kBorder, kReflection };

/// Samples of pictures where a grid says, in coordinates from -1 to 1. Types: float and double. Two
/// spatial axes, or, but for `cubic`, three. Source: ONNX operator GridSample, versions 16 and 20.
class GridSample final : public Kernel {
 public:
  GridSample(SampleMode mode, OutsideMode outside, bool aligns)
      : mode_(mode), outside_(outside), aligns_(aligns) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const TensorView grid, RequiredInput(context, 1));
    const size_t axes = x.shape.size() < 2 ? 0 : x.shape.size() - 2;
    if (axes < 2 || axes > 3 || grid.shape.size() != axes + 2 || grid.shape[0] != x.shape[0] ||
        grid.shape.back() != static_cast<int64_t>(axes)) {
      return ShapeInvalid("GridSample: picture and grid don't fit");
    }
    if (grid.type != x.type) return InputInvalid("GridSample: picture and grid differ in type");
    if (mode_ == SampleMode::kCubic && axes == 3) {
      return Error{Code::kUnsupported, "operator_unsupported",
                   "GridSample: cubic interpolation along three axes"};
    }
    TRY(const size_t plane, CountBetween(x.shape, 2, x.shape.size()));
    if (plane == 0) return ShapeInvalid("GridSample: a picture is empty");
    Shape shape = {x.shape[0], x.shape[1]};
    shape.insert(shape.end(), grid.shape.begin() + 1, grid.shape.end() - 1);
    TRY(const size_t places, CountBetween(shape, 2, shape.size()));
    return WithType(FloatTypes{}, x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, x.type, shape));
      const auto channels = static_cast<size_t>(x.shape[1]);
      for (size_t i = 0; i < static_cast<size_t>(x.shape[0]) * places; ++i) {
        const size_t first = i / places * channels;
        std::array<double, 3> at = {};
        for (size_t a = 0; a < axes; ++a) {
          // The grid lists coordinates from the last axis to the first.
          at[a] = Unnormalized(static_cast<double>(Raw<T>(grid)[i * axes + axes - 1 - a]),
                               x.shape[2 + a]);
        }
        for (size_t c = 0; c < channels; ++c) {
          Raw<T>(*output)[(first + c) * places + i % places] =
              static_cast<T>(Sample(Raw<T>(x) + (first + c) * plane, x.shape, axes, at));
        }
      }
      return {};
    });
  }

 private:
  double Unnormalized(double at, int64_t extent) const {
    const auto size = static_cast<double>(extent);
    return aligns_ ? (at + 1) / 2 * (size - 1) : ((at + 1) * size - 1) / 2;
  }

  // Mirrors a coordinate at both ends until it lies between them.
  static double Reflected(double at, double low, double high) {
    const double range = high - low;
    if (!(range > 0)) return low;
    double distance = std::fmod(std::fabs(at - low), 2 * range);
    if (distance > range) distance = 2 * range - distance;
    return low + distance;
  }

  // The coordinate within the picture, as the padding mode has it; unbounded for zeros.
  double Bounded(double at, int64_t extent) const {
    const auto last = static_cast<double>(extent - 1);
    if (outside_ == OutsideMode::kZeros) return at;
    if (outside_ == OutsideMode::kReflection) {
      at = aligns_ ? Reflected(at, 0, last) : Reflected(at, -0.5, last + 0.5);
    }
    return std::clamp(at, 0.0, last);
  }

  template <class T>
  double Read(const T* plane, const Shape& shape, size_t axes,
              const std::array<double, 3>& at) const {
    size_t place = 0;
    for (size_t a = 0; a < axes; ++a) {
      const double bounded = Bounded(at[a], shape[2 + a]);
      if (!(bounded >= 0 && bounded <= static_cast<double>(shape[2 + a] - 1))) return 0;
      place = place * static_cast<size_t>(shape[2 + a]) + static_cast<size_t>(bounded);
    }
    return static_cast<double>(plane[place]);
  }

  template <class T>
  double Sample(const T* plane, const Shape& shape, size_t axes, std::array<double, 3> at) const {
    for (size_t a = 0; a < axes; ++a) {
      if (mode_ != SampleMode::kCubic) at[a] = Bounded(at[a], shape[2 + a]);
      // Far outside there is nothing, however far: integers must hold what is rounded below.
      if (!(std::fabs(at[a]) < 1e9)) at[a] = -1e9;
    }
    if (mode_ == SampleMode::kNearest) {
      for (size_t a = 0; a < axes; ++a) at[a] = std::nearbyint(at[a]);
      return Read(plane, shape, axes, at);
    }
    return Interpolated(plane, shape, axes, 0, at);
  }

  // Along one axis after the other.
  template <class T>
  double Interpolated(const T* plane, const Shape& shape, size_t axes, size_t axis,
                      std::array<double, 3> at) const {
    if (axis == axes) return Read(plane, shape, axes, at);
    const double base = std::floor(at[axis]);
    const double t = at[axis] - base;
    const auto part = [&](double offset) {
      at[axis] = base + offset;
      return Interpolated(plane, shape, axes, axis + 1, at);
    };
    if (mode_ == SampleMode::kLinear) {
      return t == 0 ? part(0) : (1 - t) * part(0) + t * part(1);
    }
    constexpr double kA = -0.75;
    const auto near = [](double d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
    const auto far = [](double d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
    return far(t + 1) * part(-1) + near(t) * part(0) + near(1 - t) * part(1) + far(2 - t) * part(2);
  }

  SampleMode mode_;
  OutsideMode outside_;
  bool aligns_;
};

/// The grid that an affine map makes, for GridSample. Types: float and double. Source: ONNX
/// operator AffineGrid, version 20.
class AffineGrid final : public Kernel {
 public:
  explicit AffineGrid(bool aligns) : aligns_(aligns) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView theta, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> size, ReadIndexTensor(context, 1));
    const size_t axes = size.size() < 2 ? 0 : size.size() - 2;
    const auto n = static_cast<int64_t>(axes);
    if (axes < 2 || axes > 3 || theta.shape != Shape{size[0], n, n + 1}) {
      return ShapeInvalid("AffineGrid: maps and size don't fit");
    }
    Shape shape = {size[0]};
    shape.insert(shape.end(), size.begin() + 2, size.end());
    TRY(const size_t places, CountBetween(shape, 1, shape.size()));
    shape.push_back(n);
    return WithType(FloatTypes{}, theta.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, theta.type, shape));
      T* target = Raw<T>(*output);
      for (size_t i = 0; i < static_cast<size_t>(size[0]) * places; ++i) {
        const T* map = Raw<T>(theta) + i / places * axes * (axes + 1);
        const std::array<double, 4> at = PlaceOf(i % places, size, axes);
        for (size_t row = 0; row < axes; ++row) {
          double sum = 0;
          for (size_t k = 0; k <= axes; ++k) {
            sum += static_cast<double>(map[row * (axes + 1) + k]) * at[k];
          }
          *target++ = static_cast<T>(sum);
        }
      }
      return {};
    });
  }

 private:
  // From the last axis to the first, and a 1.
  std::array<double, 4> PlaceOf(size_t place, const std::vector<int64_t>& size, size_t axes) const {
    std::array<double, 4> at = {};
    for (size_t k = 0; k < axes; ++k) {
      const auto extent = static_cast<size_t>(size[size.size() - 1 - k]);
      const auto index = static_cast<double>(place % extent);
      const auto count = static_cast<double>(extent);
      place /= extent;
      at[k] =
          aligns_ ? (extent == 1 ? 0 : -1 + 2 * index / (count - 1)) : (2 * index + 1) / count - 1;
    }
    at[axes] = 1;
    return at;
  }

  bool aligns_;
};

}  // namespace

MadeKernel MakeGridSample(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const std::string mode_name, node.attributes.String("mode", "linear"));
  TRY(const std::string outside_name, node.attributes.String("padding_mode", "zeros"));
  TRY(const int64_t aligns, node.attributes.Int("align_corners", 0));
  const std::string_view mode = mode_name;
  const std::string_view outside = outside_name;
  SampleMode sample = SampleMode::kLinear;
  if (mode == "nearest") {
    sample = SampleMode::kNearest;
  } else if (mode == "cubic" || mode == "bicubic") {
    sample = SampleMode::kCubic;
  } else if (mode != "linear" && mode != "bilinear") {
    return AttributeInvalid("GridSample: attribute 'mode' has none of its values");
  }
  OutsideMode padding = OutsideMode::kZeros;
  if (outside == "border") {
    padding = OutsideMode::kBorder;
  } else if (outside == "reflection") {
    padding = OutsideMode::kReflection;
  } else if (outside != "zeros") {
    return AttributeInvalid("GridSample: attribute 'padding_mode' has none of its values");
  }
  return std::make_unique<GridSample>(sample, padding, aligns != 0);
}

MadeKernel MakeAffineGrid(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t aligns, node.attributes.Int("align_corners", 0));
  return std::make_unique<AffineGrid>(aligns != 0);
}

}  // namespace ephemeralml::engine::kernels
