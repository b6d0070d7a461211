#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

/// A new axis of `depth` places, of which the one that the index names holds the second of `values`
/// and all others the first; an index outside names none. Types: indices and depth all numeric,
/// values all of fixed width. Source: ONNX operator OneHot, versions 9 and 11.
class OneHot final : public Kernel {
 public:
  explicit OneHot(int64_t axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView indices, RequiredInput(context, 0));
    TRY(const std::vector<double> numbers, ReadNumbers(indices));
    TRY(const TensorView depth_tensor, RequiredInput(context, 1));
    TRY(const std::vector<double> depths, ReadNumbers(depth_tensor));
    TRY(const TensorView values, RequiredInput(context, 2));
    constexpr double kMostDepth = 1 << 30;
    if (depths.size() != 1 || !(depths[0] >= 0 && depths[0] < kMostDepth)) {
      return InputInvalid("OneHot: the depth isn't one number that can be a size");
    }
    const auto depth = static_cast<int64_t>(depths[0]);
    const auto bound = static_cast<double>(depth);  // depths may have fractions
    TRY(const size_t axis, NormalizeAxis(axis_, indices.shape.size() + 1));
    Shape shape = indices.shape;
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), depth);
    TRY(const size_t inner, CountBetween(shape, axis + 1, shape.size()));
    return WithWidth(values.type, [&]<class T>(std::type_identity<T>) -> Done {
      if (values.bytes.size() != 2 * sizeof(T)) return InputInvalid("OneHot: values aren't two");
      TRY(Tensor * output, context.Output(0, values.type, shape));
      T* target = Raw<T>(*output);
      std::fill_n(target, output->byte_count() / sizeof(T), Raw<T>(values)[0]);
      for (size_t i = 0; i < numbers.size() && depth > 0; ++i) {
        if (!(numbers[i] >= -bound && numbers[i] < bound)) continue;
        auto index = static_cast<int64_t>(numbers[i]);
        if (index < 0) index += depth;
        const size_t place = i / inner * static_cast<size_t>(depth) + static_cast<size_t>(index);
        target[place * inner + i % inner] = Raw<T>(values)[1];
      }
      return {};
    });
  }

 private:
  static Result<std::vector<double>> ReadNumbers(const TensorView& tensor) {
    std::vector<double> numbers;
    TRY_OK(WithType(NumericTypes{}, tensor.type, [&]<class T>(std::type_identity<T>) -> Done {
      for (const T value : tensor.Values<T>()) numbers.push_back(static_cast<double>(value));
      return {};
    }));
    return numbers;
  }

  int64_t axis_;
};

}  // namespace

MadeKernel MakeOneHot(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  TRY(const int64_t axis, node.attributes.Int("axis", -1));
  return std::make_unique<OneHot>(axis);
}

}  // namespace ephemeralml::engine::kernels
