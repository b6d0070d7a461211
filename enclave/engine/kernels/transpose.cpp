#include <algorithm>
#include <numeric>

#include "enclave/engine/kernels/operands.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

// A permutation that only moves axes of extent 1 leaves the elements where they are.
bool MovesElements(const Shape& shape, const std::vector<size_t>& permutation) {
  size_t last = 0;
  for (const size_t axis : permutation) {
    if (shape[axis] == 1) continue;
    if (axis < last) return true;
    last = axis;
  }
  return false;
}

class Transpose final : public Kernel {
 public:
  /// Without a permutation: the axes reversed.
  Transpose(bool reverses, std::vector<int64_t> permutation)
      : reverses_(reverses), permutation_(std::move(permutation)) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireInput(context, 0));
    const Shape& given = context.InputShape(0);
    TRY(const std::vector<size_t> permutation, PermutationOf(given.size()));
    Shape shape;
    for (const size_t axis : permutation) shape.push_back(given[axis]);
    if (!MovesElements(given, permutation)) return context.ForwardInput(0, 0, shape);
    TRY(const TensorView input, context.Input(0));
    TRY(Tensor * output, context.OutputToOverwrite(0, input.type, shape));
    const std::vector<int64_t> source_strides = Strides(given);
    const std::vector<int64_t> target_strides = Strides(shape);
    std::vector<BoxAxis> box;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      box.push_back({shape[axis], source_strides[permutation[axis]], target_strides[axis]});
    }
    CopyBox(context.threads(), wire::ElementBytes(input.type), box, input.bytes.data(),
            output->MutableBytes().data());
    return {};
  }

 private:
  Result<std::vector<size_t>> PermutationOf(size_t rank) const {
    if (reverses_) {
      std::vector<size_t> reversed(rank);
      std::iota(reversed.rbegin(), reversed.rend(), size_t{0});
      return reversed;
    }
    if (permutation_.size() != rank) {
      return AttributeInvalid("Transpose: attribute 'perm' doesn't name every axis once");
    }
    return NormalizeAxes(permutation_, rank);
  }

  bool reverses_;
  std::vector<int64_t> permutation_;
};

}  // namespace

/// Permutes the axes. Types: any of fixed width. Source: ONNX operator Transpose, versions 1 to 21.
MadeKernel MakeTranspose(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(std::vector<int64_t> permutation, node.attributes.Ints("perm", {}));
  return std::make_unique<Transpose>(!node.attributes.Has("perm"), std::move(permutation));
}

}  // namespace ephemeralml::engine::kernels
