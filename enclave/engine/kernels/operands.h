#pragma once
// Checks and readings that all kernels share: how many operands a node has, which axis is meant,
// what a small integer input says. Nodes, shapes and these inputs come from the client: hostile.

#include <span>
#include <vector>

#include "enclave/engine/base/kernel.h"

namespace ephemeralml::engine::kernels {

/// What every operator's maker returns. Errors of makers: those of CheckArity and Attributes.
using MadeKernel = Result<std::unique_ptr<Kernel>>;

/// The most axes that a kernel makes out of a list of numbers.
inline constexpr size_t kMostAxes = 64;

/// How many inputs and outputs a node of an operator may list.
struct Arity {
  size_t least_inputs = 1;
  size_t most_inputs = 1;
  size_t least_outputs = 1;
  size_t most_outputs = 1;
};

/// Errors: kMalformed `input_invalid`.
Done CheckArity(const NodeSpec& node, const Arity& arity);

// The errors that kernels report; `what` names the part that is wrong, never its value.
Error InputInvalid(std::string what);
Error ShapeInvalid(std::string what);
Error AttributeInvalid(std::string what);
Error TypeUnsupported(ElementType type);

/// Errors: kMalformed `input_invalid` if the node leaves the input out, or it is no tensor.
Done RequireInput(const KernelContext& context, size_t index);
/// An input that the operator can't do without. Errors: as RequireInput, and KernelContext::Input.
Result<TensorView> RequiredInput(KernelContext& context, size_t index);

/// A value of any kind that the operator can't do without. Errors: kMalformed `input_invalid`;
/// those of KernelContext::InputValue.
Result<Tensor> RequiredValue(KernelContext& context, size_t index);
/// As above, for a sequence.
Result<Tensor> RequiredSequence(KernelContext& context, size_t index);

/// `axis`, or `axis` + `rank` if it is negative. Errors: kMalformed `attribute_invalid`.
Result<size_t> NormalizeAxis(int64_t axis, size_t rank);
/// All of `axes` in their order. Errors: as NormalizeAxis, and if one is named twice.
Result<std::vector<size_t>> NormalizeAxes(std::span<const int64_t> axes, size_t rank);

/// A scalar or one-dimensional input of int32 or int64. Errors: kMalformed `input_invalid` (more
/// than `most` numbers, another rank), kUnsupported `type_unsupported`, those of
/// KernelContext::Input.
Result<std::vector<int64_t>> ReadIntegers(KernelContext& context, size_t index,
                                          size_t most = kMostAxes);

/// The element type that an attribute names by its number, or `fallback` if it isn't there.
/// Errors: kUnsupported `type_unsupported` (no type of fixed width), those of Attributes.
Result<ElementType> ReadTypeAttribute(const NodeSpec& node, std::string_view name,
                                      ElementType fallback);

/// The elements of a tensor, which must have type T.
/// Errors: kMalformed `input_invalid` if the tensor doesn't hold exactly one element of type T.
template <class T>
Result<T> OneElement(const TensorView& tensor) {
  if (tensor.type != TypeOf<T>() || tensor.bytes.size() != sizeof(T)) {
    return InputInvalid("a scalar operand has another type or more than one element");
  }
  return tensor.Values<T>()[0];
}

/// The product of dimensions [begin, end) of a tensor that exists, so it can't overflow unless
/// another dimension is 0. Errors: as ElementCount.
Result<size_t> CountBetween(const Shape& shape, size_t begin, size_t end);

}  // namespace ephemeralml::engine::kernels
