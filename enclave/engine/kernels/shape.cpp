// Shape and Size: they look at a tensor's shape alone, and never open a weight.

#include <algorithm>
#include <limits>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

class ShapeOf final : public Kernel {
 public:
  ShapeOf(int64_t start, int64_t end) : start_(start), end_(end) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& shape = context.InputShape(0);
    const int64_t begin = Clamped(start_, std::ssize(shape));
    const int64_t end = std::max(begin, Clamped(end_, std::ssize(shape)));
    TRY(Tensor * output, context.Output(0, ElementType::kInt64, {end - begin}));
    std::copy(shape.begin() + begin, shape.begin() + end, Raw<int64_t>(*output));
    return {};
  }

 private:
  static int64_t Clamped(int64_t axis, int64_t rank) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  }

  int64_t start_;
  int64_t end_;
};

class Size final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    TRY(const size_t count, ElementCount(context.InputShape(0)));
    TRY(Tensor * output, context.Output(0, ElementType::kInt64, {}));
    *Raw<int64_t>(*output) = static_cast<int64_t>(count);
    return {};
  }
};

}  // namespace

/// Source: ONNX operator Shape, versions 1 to 21; part of the shape from version 15.
MadeKernel MakeShape(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  if (node.opset < 15) return std::make_unique<ShapeOf>(0, kAll);
  TRY(const int64_t start, node.attributes.Int("start", 0));
  TRY(const int64_t end, node.attributes.Int("end", kAll));
  return std::make_unique<ShapeOf>(start, end);
}

/// Source: ONNX operator Size, versions 1 to 21.
MadeKernel MakeSize(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<Size>();
}

}  // namespace ephemeralml::engine::kernels
