// Operators that give the same elements another shape: Reshape, Flatten, Squeeze, Unsqueeze,
// Identity.

#include <optional>

#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {
namespace {

// 0 copies the input's dimension unless zeros are allowed, -1 stands for what is left.
Result<Shape> ResolveShape(const Shape& given, std::span<const int64_t> wanted, bool allow_zero) {
  Shape shape(wanted.begin(), wanted.end());
  std::optional<size_t> unknown;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero) {
      if (i >= given.size()) return ShapeInvalid("Reshape: a zero copies an axis that isn't there");
      shape[i] = given[i];
    } else if (shape[i] == -1) {
      if (unknown) return ShapeInvalid("Reshape: more than one dimension is left open");
      unknown = i;
      shape[i] = 1;
    }
  }
  TRY(const size_t elements, ElementCount(given));
  TRY(const size_t known, ElementCount(shape));
  if (unknown) {
    if (known == 0 || elements % known != 0) {
      return ShapeInvalid("Reshape: the open dimension doesn't come out even");
    }
    shape[*unknown] = static_cast<int64_t>(elements / known);
  }
  TRY(const size_t resolved, ElementCount(shape));
  if (resolved != elements) {
    return ShapeInvalid("Reshape: the new shape has another number of elements");
  }
  return shape;
}

class Reshape final : public Kernel {
 public:
  /// `wanted` is absent from version 5, where an input gives it.
  Reshape(std::optional<std::vector<int64_t>> wanted, bool allow_zero)
      : wanted_(std::move(wanted)), allow_zero_(allow_zero) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    std::vector<int64_t> wanted;
    if (wanted_) {
      wanted = *wanted_;
    } else {
      TRY(wanted, ReadIntegers(context, 1));
    }
    TRY(Shape shape, ResolveShape(context.InputShape(0), wanted, allow_zero_));
    return context.ForwardInput(0, 0, std::move(shape));
  }

 private:
  std::optional<std::vector<int64_t>> wanted_;
  bool allow_zero_;
};

class Flatten final : public Kernel {
 public:
  explicit Flatten(int64_t axis) : axis_(axis) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& given = context.InputShape(0);
    size_t axis = given.size();  // one past the last axis is allowed
    if (axis_ != static_cast<int64_t>(given.size())) {
      TRY(axis, NormalizeAxis(axis_, given.size()));
    }
    TRY(const size_t rows, CountBetween(given, 0, axis));
    TRY(const size_t columns, CountBetween(given, axis, given.size()));
    return context.ForwardInput(0, 0, {static_cast<int64_t>(rows), static_cast<int64_t>(columns)});
  }

 private:
  int64_t axis_;
};

// Squeeze and Unsqueeze: axes in an attribute before version 13, in an input from there.
class ByAxes : public Kernel {
 public:
  explicit ByAxes(std::optional<std::vector<int64_t>> axes) : axes_(std::move(axes)) {}

 protected:
  Result<std::optional<std::vector<int64_t>>> AxesOf(KernelContext& context) const {
    if (!context.HasInput(1)) return axes_;
    TRY(std::vector<int64_t> axes, ReadIntegers(context, 1));
    return std::optional(std::move(axes));
  }

 private:
  std::optional<std::vector<int64_t>> axes_;
};

class Squeeze final : public ByAxes {
 public:
  using ByAxes::ByAxes;

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& given = context.InputShape(0);
    TRY(const std::optional<std::vector<int64_t>> named, AxesOf(context));
    std::vector<bool> dropped(given.size(), false);
    if (named) {
      TRY(const std::vector<size_t> axes, NormalizeAxes(*named, given.size()));
      for (const size_t axis : axes) dropped[axis] = true;
    } else {
      for (size_t axis = 0; axis < given.size(); ++axis) dropped[axis] = given[axis] == 1;
    }
    Shape shape;
    for (size_t axis = 0; axis < given.size(); ++axis) {
      if (dropped[axis] && given[axis] != 1) {
        return ShapeInvalid("Squeeze: an axis that it drops has more than one element");
      }
      if (!dropped[axis]) shape.push_back(given[axis]);
    }
    return context.ForwardInput(0, 0, std::move(shape));
  }
};

class Unsqueeze final : public ByAxes {
 public:
  using ByAxes::ByAxes;

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& given = context.InputShape(0);
    TRY(const std::optional<std::vector<int64_t>> named, AxesOf(context));
    if (!named) return InputInvalid("Unsqueeze: the axes are left out");
    TRY(const std::vector<size_t> axes, NormalizeAxes(*named, given.size() + named->size()));
    std::vector<bool> added(given.size() + axes.size(), false);
    for (const size_t axis : axes) added[axis] = true;
    Shape shape;
    auto next = given.begin();
    for (const bool is_new : added) shape.push_back(is_new ? 1 : *next++);
    return context.ForwardInput(0, 0, std::move(shape));
  }
};

class Identity final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(Tensor value, RequiredValue(context, 0));
    context.SetOutput(0, std::move(value));
    return {};
  }
};

template <class Made>
MadeKernel MakeByAxes(const NodeSpec& node, size_t least_inputs) {
  if (node.opset >= 13) {
    TRY_OK(CheckArity(node, {.least_inputs = least_inputs, .most_inputs = 2}));
    return std::make_unique<Made>(std::nullopt);
  }
  TRY_OK(CheckArity(node, {}));
  TRY(std::vector<int64_t> axes, node.attributes.Ints("axes", {}));
  if (!node.attributes.Has("axes")) return std::make_unique<Made>(std::nullopt);
  if (axes.size() > kMostAxes) return AttributeInvalid(node.op + ": too many axes");
  return std::make_unique<Made>(std::move(axes));
}

}  // namespace

/// Source: ONNX operator Reshape, versions 1 to 21.
MadeKernel MakeReshape(const NodeSpec& node) {
  if (node.opset < 5) {
    TRY_OK(CheckArity(node, {}));
    TRY(std::vector<int64_t> shape, node.attributes.Ints("shape", {}));
    if (shape.size() > kMostAxes) return AttributeInvalid("Reshape: too many axes");
    return std::make_unique<Reshape>(std::move(shape), false);
  }
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const int64_t allow_zero, node.attributes.Int("allowzero", 0));
  return std::make_unique<Reshape>(std::nullopt, node.opset >= 14 && allow_zero != 0);
}

/// To two axes. Source: ONNX operator Flatten, versions 1 to 21.
MadeKernel MakeFlatten(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t axis, node.attributes.Int("axis", 1));
  return std::make_unique<Flatten>(axis);
}

/// Drops axes of extent 1: those named, or all. Source: ONNX operator Squeeze, versions 1 to 21.
MadeKernel MakeSqueeze(const NodeSpec& node) { return MakeByAxes<Squeeze>(node, 1); }

/// Adds axes of extent 1. Source: ONNX operator Unsqueeze, versions 1 to 21.
MadeKernel MakeUnsqueeze(const NodeSpec& node) { return MakeByAxes<Unsqueeze>(node, 2); }

/// Source: ONNX operator Identity, versions 1 to 21, for tensors.
MadeKernel MakeIdentity(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<Identity>();
}

}  // namespace ephemeralml::engine::kernels
