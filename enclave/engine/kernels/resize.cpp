#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/resize_taps.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

enum class Policy { kStretch, kNotLarger, kNotSmaller };

struct Settings {
  ResizeOptions options;
  Policy policy = Policy::kStretch;
  std::optional<std::vector<int64_t>> axes;
  float extrapolation = 0;
  bool version_10 = false;
};

constexpr float kMostElements = 0x1p+42f;  // as tensors in general

// What becomes of each of a tensor's axes.
using Plan = std::vector<ResizeAxis>;

bool Changes(const ResizeOptions& options, const ResizeAxis& axis) {
  return axis.output != axis.input || axis.scale != 1.0f ||
         options.coordinates == CoordinateMode::kTfCropAndResize;
}

Result<int64_t> Rounded(float extent) {
  if (!(extent >= 0.0f && extent <= kMostElements)) {
    return Error{Code::kOverLimit, "size_overflow", "Resize: an axis is longer than we count"};
  }
  return static_cast<int64_t>(extent);
}

Result<std::vector<float>> ReadFloats(KernelContext& context, size_t index) {
  std::vector<float> values;
  if (!context.HasInput(index)) return values;
  TRY(const size_t count, ElementCount(context.InputShape(index)));
  if (count > 2 * kMostAxes) return InputInvalid("Resize: a list of numbers is too long");
  TRY(const TensorView tensor, context.Input(index));
  values.resize(count);
  TRY_OK(WithType(FloatTypes{}, tensor.type, [&]<class T>(std::type_identity<T>) -> Done {
    std::ranges::transform(tensor.Values<T>(), values.begin(),
                           [](T value) { return static_cast<float>(value); });
    return {};
  }));
  return values;
}

Done ScaleBy(Plan& plan, const std::vector<size_t>& axes, const std::vector<float>& scales) {
  if (scales.size() != axes.size()) {
    return InputInvalid("Resize: there must be one scale for each axis");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizeAxis& axis = plan[axes[i]];
    if (!std::isfinite(scales[i]) || scales[i] <= 0.0f) {
      return InputInvalid("Resize: a scale isn't a positive number");
    }
    axis.scale = scales[i];
    TRY(axis.output, Rounded(std::floor(axis.scale * static_cast<float>(axis.input))));
  }
  return {};
}

Done ScaleTo(Plan& plan, const std::vector<size_t>& axes, const std::vector<int64_t>& sizes,
             Policy policy) {
  if (sizes.size() != axes.size()) {
    return InputInvalid("Resize: there must be one size for each axis");
  }
  std::vector<float> scales;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (sizes[i] < 0) return InputInvalid("Resize: a size is negative");
    const int64_t input = plan[axes[i]].input;
    if (input == 0 && sizes[i] > 0) return ShapeInvalid("Resize: an empty axis is to grow");
    scales.push_back(input == 0 ? 1.0f : static_cast<float>(sizes[i]) / static_cast<float>(input));
    plan[axes[i]].output = sizes[i];
    plan[axes[i]].scale = scales[i];
  }
  if (policy == Policy::kStretch || axes.empty()) return {};
  const auto [smallest, largest] = std::ranges::minmax(scales);
  const float scale = policy == Policy::kNotLarger ? smallest : largest;
  for (const size_t i : axes) {
    plan[i].scale = scale;
    TRY(plan[i].output, Rounded(std::floor(scale * static_cast<float>(plan[i].input) + 0.5f)));
  }
  return {};
}

Done SetRegion(Plan& plan, const std::vector<size_t>& axes, const std::vector<float>& region) {
  if (region.size() != 2 * axes.size()) {
    return InputInvalid("Resize: the region must have a start and an end for each axis");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    plan[axes[i]].roi_start = region[i];
    plan[axes[i]].roi_end = region[i + axes.size()];
  }
  return {};
}

Result<Plan> MakePlan(KernelContext& context, const Settings& settings) {
  Plan plan;
  for (const int64_t extent : context.InputShape(0)) plan.push_back({extent, extent});
  std::vector<size_t> axes(plan.size());
  std::iota(axes.begin(), axes.end(), size_t{0});
  if (settings.axes) {
    TRY(axes, NormalizeAxes(*settings.axes, plan.size()));
  }
  TRY(const std::vector<float> scales, ReadFloats(context, settings.version_10 ? 1 : 2));
  std::vector<int64_t> sizes;
  if (context.HasInput(3)) {
    TRY(sizes, ReadIntegers(context, 3));
  }
  if (!scales.empty() && !sizes.empty()) {
    return InputInvalid("Resize: both scales and sizes are given");
  }
  TRY_OK(sizes.empty() ? ScaleBy(plan, axes, scales) : ScaleTo(plan, axes, sizes, settings.policy));
  if (settings.options.coordinates == CoordinateMode::kTfCropAndResize) {
    TRY(const std::vector<float> region, ReadFloats(context, 1));
    TRY_OK(SetRegion(plan, axes, region));
  }
  return plan;
}

// One pass of an interpolation: [outer, input, inner] to [outer, output, inner].
struct Pass {
  size_t outer = 1;
  size_t input = 1;
  size_t output = 1;
  size_t inner = 1;
};

template <class T>
EPHEMERAL_MULTIVERSION void AddWeighted(const T* source, T weight, T* target, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] += weight * source[i];
}

template <class T>
void InterpolateRow(const Taps& taps, const T* source, size_t output, T* target) {
  for (size_t i = 0; i < output; ++i) {
    const auto indices = taps.IndicesOf(i);
    const auto weights = taps.WeightsOf(i);
    T sum = 0;
    for (size_t tap = 0; tap < indices.size(); ++tap) {
      sum += static_cast<T>(weights[tap]) * source[indices[tap]];
    }
    target[i] = sum;
  }
}

template <class T>
void Interpolate(Threads& threads, const Pass& pass, const Taps& taps, const T* source, T* target) {
  if (pass.inner == 1) {
    const size_t grain = RowGrain(pass.output * taps.per_output());
    threads.ParallelFor(pass.outer, grain, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) {
        InterpolateRow(taps, source + row * pass.input, pass.output, target + row * pass.output);
      }
    });
    return;
  }
  const size_t grain = RowGrain(pass.inner * taps.per_output());
  threads.ParallelFor(pass.outer * pass.output, grain, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const auto indices = taps.IndicesOf(row % pass.output);
      const auto weights = taps.WeightsOf(row % pass.output);
      const T* from = source + row / pass.output * pass.input * pass.inner;
      T* to = target + row * pass.inner;
      std::fill_n(to, pass.inner, T{0});
      for (size_t tap = 0; tap < indices.size(); ++tap) {
        AddWeighted(from + static_cast<size_t>(indices[tap]) * pass.inner,
                    static_cast<T>(weights[tap]), to, pass.inner);
      }
    }
  });
}

class Resize final : public Kernel {
 public:
  explicit Resize(Settings settings) : settings_(std::move(settings)) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const Plan plan, MakePlan(context, settings_));
    Shape shape;
    for (const ResizeAxis& axis : plan) shape.push_back(axis.output);
    const auto changes = [this](const ResizeAxis& axis) {
      return Changes(settings_.options, axis);
    };
    if (std::ranges::none_of(plan, changes)) return context.ForwardInput(0, 0, shape);
    TRY(const TensorView input, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, input.type, shape));
    if (output->byte_count() == 0) return {};
    if (input.bytes.empty()) return ShapeInvalid("Resize: an empty axis is to grow");
    std::vector<std::optional<Taps>> taps(plan.size());
    for (size_t axis = 0; axis < plan.size(); ++axis) {
      if (!changes(plan[axis])) continue;
      TRY(taps[axis], Taps::Create(context, settings_.options, plan[axis]));
    }
    if (settings_.options.interpolation == Interpolation::kNearest) {
      TRY_OK(CopyNearest(context, input, taps, *output));
    } else {
      TRY_OK(InterpolateAll(context, input, plan, taps, *output));
    }
    return Extrapolate(context, taps, *output);
  }

 private:
  static Done CopyNearest(KernelContext& context, const TensorView& input,
                          const std::vector<std::optional<Taps>>& taps, Tensor& output) {
    const std::vector<int64_t> strides = Strides(input.shape);
    std::vector<ArenaBlock> blocks;
    std::vector<const int64_t*> offsets;
    for (size_t axis = 0; axis < taps.size(); ++axis) {
      const auto extent = static_cast<size_t>(output.shape()[axis]);
      TRY(ArenaBlock block, context.Scratch(extent * sizeof(int64_t)));
      auto* values = reinterpret_cast<int64_t*>(block.bytes().data());
      for (size_t i = 0; i < extent; ++i) {
        const int64_t index = taps[axis] ? taps[axis]->IndicesOf(i)[0] : static_cast<int64_t>(i);
        values[i] = index * strides[axis];
      }
      offsets.push_back(values);
      blocks.push_back(std::move(block));
    }
    CopyByOffsets(context.threads(), wire::ElementBytes(input.type), output.shape(), offsets,
                  input.bytes.data(), output.MutableBytes().data());
    return {};
  }

  Done InterpolateAll(KernelContext& context, const TensorView& input, const Plan& plan,
                      const std::vector<std::optional<Taps>>& taps, Tensor& output) const {
    if (input.type == ElementType::kDouble) {
      return RunPasses<double>(context, Raw<double>(input), plan, taps, Raw<double>(output));
    }
    if (input.type == ElementType::kFloat) {
      return RunPasses<float>(context, Raw<float>(input), plan, taps, Raw<float>(output));
    }
    // Other numbers go through single precision, and are truncated at the end.
    TRY_OK(WithType(NumericTypes{}, input.type, [](auto) -> Done { return {}; }));
    TRY(const size_t input_bytes, ByteCount(ElementType::kFloat, input.shape));
    TRY(const size_t output_bytes, ByteCount(ElementType::kFloat, output.shape()));
    TRY(ArenaBlock source, context.Scratch(input_bytes));
    TRY(ArenaBlock target, context.Scratch(output_bytes));
    TRY_OK(ConvertElements(context.threads(), input, ElementType::kFloat, source.bytes()));
    TRY_OK(RunPasses<float>(context, reinterpret_cast<const float*>(source.bytes().data()), plan,
                            taps, reinterpret_cast<float*>(target.bytes().data())));
    return ConvertElements(context.threads(), {ElementType::kFloat, output.shape(), target.bytes()},
                           output.type(), output.MutableBytes());
  }

  // From the last axis to the first; each pass but the final one goes to memory of its own.
  template <class T>
  static Done RunPasses(KernelContext& context, const T* source, const Plan& plan,
                        const std::vector<std::optional<Taps>>& taps, T* target) {
    auto left = std::ranges::count_if(taps, [](const auto& t) { return t.has_value(); });
    Shape shape;
    for (const ResizeAxis& axis : plan) shape.push_back(axis.input);
    ArenaBlock previous;
    for (size_t axis = plan.size(); axis-- > 0;) {
      if (!taps[axis]) continue;
      TRY(const size_t outer, CountBetween(shape, 0, axis));
      TRY(const size_t inner, CountBetween(shape, axis + 1, shape.size()));
      const Pass pass{outer, static_cast<size_t>(plan[axis].input),
                      static_cast<size_t>(plan[axis].output), inner};
      shape[axis] = plan[axis].output;
      TRY(const size_t bytes, ByteCount(TypeOf<T>(), shape));
      ArenaBlock next;
      if (--left > 0) {
        TRY(next, context.Scratch(bytes));
      }
      T* to = left > 0 ? reinterpret_cast<T*>(next.bytes().data()) : target;
      Interpolate(context.threads(), pass, *taps[axis], source, to);
      previous = std::move(next);
      source = to;
    }
    return {};
  }

  Done Extrapolate(KernelContext& context, const std::vector<std::optional<Taps>>& taps,
                   Tensor& output) const {
    if (settings_.options.coordinates != CoordinateMode::kTfCropAndResize) return {};
    const size_t width = wire::ElementBytes(output.type());
    Bytes element(width);
    const std::array<float, 1> value = {settings_.extrapolation};
    const auto* bytes = reinterpret_cast<const uint8_t*>(value.data());
    TRY_OK(ConvertElements(context.threads(), {ElementType::kFloat, {}, {bytes, sizeof(float)}},
                           output.type(), element));
    const Shape& shape = output.shape();
    const std::vector<int64_t> strides = Strides(shape);
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      TRY(const size_t outer, CountBetween(shape, 0, axis));
      const auto extent = static_cast<size_t>(shape[axis]);
      const size_t row = static_cast<size_t>(strides[axis]) * width;
      for (size_t i = 0; i < outer * extent; ++i) {
        if (!taps[axis]->IsOutside(i % extent)) continue;
        const MutableByteSpan target = output.MutableBytes().subspan(i * row, row);
        for (size_t at = 0; at < row; at += width) {
          std::ranges::copy(element, target.begin() + static_cast<std::ptrdiff_t>(at));
        }
      }
    }
    return {};
  }

  Settings settings_;
};

template <class Choice>
using Names = std::initializer_list<std::pair<std::string_view, Choice>>;

// The value that a string attribute names.
template <class Choice>
Result<Choice> ReadChoice(const NodeSpec& node, std::string_view attribute,
                          std::string_view fallback, Names<Choice> names) {
  TRY(const std::string text, node.attributes.String(attribute, fallback));
  for (const auto& [name, choice] : names) {
    if (name == std::string_view(text)) return choice;
  }
  return AttributeInvalid("Resize: attribute '" + std::string(attribute) + "' names no choice");
}

Result<Interpolation> ReadInterpolation(const NodeSpec& node) {
  return ReadChoice<Interpolation>(node, "mode", "nearest",
                                   {{"nearest", Interpolation::kNearest},
                                    {"linear", Interpolation::kLinear},
                                    {"cubic", Interpolation::kCubic}});
}

Result<Settings> ReadSettings(const NodeSpec& node) {
  Settings settings;
  ResizeOptions& options = settings.options;
  TRY(options.interpolation, ReadInterpolation(node));
  TRY(options.coordinates,
      ReadChoice<CoordinateMode>(node, "coordinate_transformation_mode", "half_pixel",
                                 {{"half_pixel", CoordinateMode::kHalfPixel},
                                  {"half_pixel_symmetric", CoordinateMode::kHalfPixelSymmetric},
                                  {"pytorch_half_pixel", CoordinateMode::kPytorchHalfPixel},
                                  {"align_corners", CoordinateMode::kAlignCorners},
                                  {"asymmetric", CoordinateMode::kAsymmetric},
                                  {"tf_half_pixel_for_nn", CoordinateMode::kTfHalfPixelForNn},
                                  {"tf_crop_and_resize", CoordinateMode::kTfCropAndResize}}));
  TRY(options.nearest,
      ReadChoice<NearestMode>(node, "nearest_mode", "round_prefer_floor",
                              {{"round_prefer_floor", NearestMode::kRoundPreferFloor},
                               {"round_prefer_ceil", NearestMode::kRoundPreferCeil},
                               {"floor", NearestMode::kFloor},
                               {"ceil", NearestMode::kCeil}}));
  TRY(options.cubic_a, node.attributes.Float("cubic_coeff_a", -0.75f));
  TRY(const int64_t excludes_outside, node.attributes.Int("exclude_outside", 0));
  options.excludes_outside = excludes_outside != 0;
  TRY(settings.extrapolation, node.attributes.Float("extrapolation_value", 0.0f));
  if (node.opset < 18) return settings;
  TRY(const int64_t antialiases, node.attributes.Int("antialias", 0));
  options.antialiases = antialiases != 0 && options.interpolation != Interpolation::kNearest;
  TRY(settings.policy, ReadChoice<Policy>(node, "keep_aspect_ratio_policy", "stretch",
                                          {{"stretch", Policy::kStretch},
                                           {"not_larger", Policy::kNotLarger},
                                           {"not_smaller", Policy::kNotSmaller}}));
  if (node.attributes.Has("axes")) {
    TRY(settings.axes, node.attributes.Ints("axes", {}));
  }
  return settings;
}

}  // namespace

/// Interpolates along axes, by scales or to sizes. Types: any of fixed width (nearest), all numeric
/// ones (linear, cubic; integers through single precision, truncated). Source: ONNX operator
/// Resize, versions 10 to 19.
MadeKernel MakeResize(const NodeSpec& node) {
  if (node.opset >= 11) {
    TRY_OK(CheckArity(node, {.least_inputs = 1, .most_inputs = 4}));
    TRY(Settings settings, ReadSettings(node));
    return std::make_unique<Resize>(std::move(settings));
  }
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  Settings settings;
  settings.version_10 = true;
  settings.options.coordinates = CoordinateMode::kAsymmetric;
  settings.options.nearest = NearestMode::kVersion10;
  TRY(settings.options.interpolation, ReadInterpolation(node));
  return std::make_unique<Resize>(std::move(settings));
}

}  // namespace ephemeralml::engine::kernels
