// NonZero and Compress: outputs whose sizes the elements tell.

#include <algorithm>
#include <optional>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

/// The indices of all elements that aren't 0, one column for each. Types: all numeric and bool.
/// Source: ONNX operator NonZero, versions 9 and 13.
class NonZero final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.type == ElementType::kBool) return Find<uint8_t>(context, input);
    return WithType(NumericTypes{}, input.type,
                    [&]<class T>(std::type_identity<T>) { return Find<T>(context, input); });
  }

 private:
  template <class T>
  static Done Find(KernelContext& context, const TensorView& input) {
    const std::span values(Raw<T>(input), input.bytes.size() / sizeof(T));
    const auto found = static_cast<int64_t>(values.size()) - std::ranges::count(values, T{0});
    const size_t rank = input.shape.size();
    TRY(Tensor * output,
        context.Output(0, ElementType::kInt64, {static_cast<int64_t>(rank), found}));
    int64_t* target = Raw<int64_t>(*output);
    Places walk(input.shape);
    size_t column = 0;
    for (const T value : values) {
      if (value != T{0}) {
        for (size_t axis = 0; axis < rank; ++axis) {
          target[axis * static_cast<size_t>(found) + column] = walk.at()[axis];
        }
        ++column;
      }
      walk.Next();
    }
    return {};
  }
};

/// The slices along an axis whose condition is true; without an axis, the elements in order. The
/// condition may be shorter than the axis. Types: all of fixed width. Source: ONNX operator
/// Compress, versions 9 and 11.
class Compress final : public Kernel {
 public:
  explicit Compress(std::optional<int64_t> axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const TensorView condition, RequiredInput(context, 1));
    if (condition.type != ElementType::kBool) return TypeUnsupported(condition.type);
    if (condition.shape.size() != 1) return ShapeInvalid("Compress: the condition isn't a list");
    return WithWidth(input.type, [&]<class T>(std::type_identity<T>) -> Done {
      Shape shape = {static_cast<int64_t>(input.bytes.size() / sizeof(T))};
      size_t axis = 0;
      if (axis_) {
        shape = input.shape;
        TRY(axis, NormalizeAxis(*axis_, shape.size()));
      }
      TRY(const size_t outer, CountBetween(shape, 0, axis));
      TRY(const size_t inner, CountBetween(shape, axis + 1, shape.size()));
      const auto count = static_cast<size_t>(shape[axis]);
      std::vector<size_t> kept;
      for (size_t i = 0; i < condition.bytes.size(); ++i) {
        if (condition.bytes[i] == 0) continue;
        if (i >= count) return InputInvalid("Compress: the condition is longer than the axis");
        kept.push_back(i);
      }
      shape[axis] = static_cast<int64_t>(kept.size());
      TRY(Tensor * output, context.Output(0, input.type, shape));
      T* target = Raw<T>(*output);
      for (size_t o = 0; o < outer; ++o) {
        for (const size_t i : kept) {
          target = std::copy_n(Raw<T>(input) + (o * count + i) * inner, inner, target);
        }
      }
      return {};
    });
  }

 private:
  std::optional<int64_t> axis_;
};

}  // namespace

MadeKernel MakeNonZero(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<NonZero>();
}

MadeKernel MakeCompress(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  std::optional<int64_t> axis;
  if (node.attributes.Has("axis")) {
    TRY(axis, node.attributes.RequiredInt("axis"));
  }
  return std::make_unique<Compress>(axis);
}

}  // namespace ephemeralml::engine::kernels
