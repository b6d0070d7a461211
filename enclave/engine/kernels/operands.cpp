#include "enclave/engine/kernels/operands.h"

#include <algorithm>
#include <utility>

namespace ephemeralml::engine::kernels {

Error InputInvalid(std::string what) {
  return {Code::kMalformed, "input_invalid", std::move(what)};
}

Error ShapeInvalid(std::string what) {
  return {Code::kMalformed, "shape_invalid", std::move(what)};
}

Error AttributeInvalid(std::string what) {
  return {Code::kMalformed, "attribute_invalid", std::move(what)};
}

Error TypeUnsupported(ElementType type) {
  return {Code::kUnsupported, "type_unsupported",
          "an operand has a type that the operator doesn't take here: " +
              std::string(wire::Name(type))};
}

Done CheckArity(const NodeSpec& node, const Arity& arity) {
  if (node.input_count < arity.least_inputs || node.input_count > arity.most_inputs) {
    return InputInvalid(node.op + ": the node lists too few or too many inputs");
  }
  if (node.output_count < arity.least_outputs || node.output_count > arity.most_outputs) {
    return InputInvalid(node.op + ": the node lists too few or too many outputs");
  }
  return {};
}

Done RequireInput(const KernelContext& context, size_t index) {
  if (index >= context.input_count() || !context.HasInput(index)) {
    return InputInvalid("input " + std::to_string(index) + " is left out; the operator needs it");
  }
  if (context.InputKind(index) != ValueKind::kTensor) {
    return InputInvalid("input " + std::to_string(index) + " is no tensor");
  }
  return {};
}

Result<TensorView> RequiredInput(KernelContext& context, size_t index) {
  TRY_OK(RequireInput(context, index));
  return context.Input(index);
}

Result<Tensor> RequiredValue(KernelContext& context, size_t index) {
  if (!context.HasInput(index)) {
    return InputInvalid("input " + std::to_string(index) + " is left out; the operator needs it");
  }
  return context.InputValue(index);
}

Result<Tensor> RequiredSequence(KernelContext& context, size_t index) {
  TRY(Tensor value, RequiredValue(context, index));
  if (value.kind() != ValueKind::kSequence) {
    return InputInvalid("input " + std::to_string(index) + " is no sequence");
  }
  return value;
}

Result<size_t> NormalizeAxis(int64_t axis, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    return AttributeInvalid("an axis lies outside the tensor's rank");
  }
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

Result<std::vector<size_t>> NormalizeAxes(std::span<const int64_t> axes, size_t rank) {
  std::vector<size_t> normalized;
  std::vector<bool> named(rank, false);
  for (const int64_t axis : axes) {
    TRY(const size_t position, NormalizeAxis(axis, rank));
    if (named[position]) return AttributeInvalid("an axis is named twice");
    named[position] = true;
    normalized.push_back(position);
  }
  return normalized;
}

Result<std::vector<int64_t>> ReadIntegers(KernelContext& context, size_t index, size_t most) {
  TRY_OK(RequireInput(context, index));
  TRY(const size_t count, ElementCount(context.InputShape(index)));
  if (context.InputShape(index).size() > 1 || count > most) {
    return InputInvalid("input " + std::to_string(index) + " must be a short list of numbers");
  }
  TRY(const TensorView tensor, context.Input(index));
  if (tensor.type == ElementType::kInt64) {
    const auto values = tensor.Values<int64_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  if (tensor.type == ElementType::kInt32) {
    const auto values = tensor.Values<int32_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  return TypeUnsupported(tensor.type);
}

Result<ElementType> ReadTypeAttribute(const NodeSpec& node, std::string_view name,
                                      ElementType fallback) {
  TRY(const int64_t number, node.attributes.Int(name, static_cast<int64_t>(fallback)));
  const auto type = std::in_range<int>(number)
                        ? wire::ElementTypeFromNumber(static_cast<int>(number))
                        : ElementType::kUndefined;
  if (wire::ElementBytes(type) == 0) return TypeUnsupported(type);
  return type;
}

Result<size_t> CountBetween(const Shape& shape, size_t begin, size_t end) {
  CHECK(begin <= end && end <= shape.size());
  return ElementCount(Shape(shape.begin() + static_cast<std::ptrdiff_t>(begin),
                            shape.begin() + static_cast<std::ptrdiff_t>(end)));
}

}  // namespace ephemeralml::engine::kernels
