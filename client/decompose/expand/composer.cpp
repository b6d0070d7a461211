#include "client/decompose/expand/composer.h"

#include <algorithm>

#include "client/decompose/expand/expand.h"

namespace ephemeralml::decompose {
namespace {

// More numbers are no window's or permutation's: whoever checks attributes refuses them.
constexpr size_t kLongestList = 64;

}  // namespace

ValueId Composer::Input(size_t index) const {
  return index < node_.inputs.size() ? node_.inputs[index] : 0;
}

bool Composer::HasOutput(size_t index) const {
  return index < node_.outputs.size() && node_.outputs[index] != 0;
}

const onnx::Tensor* Composer::Constant(size_t index) const {
  const auto found = program_.constants.find(Input(index));
  return found == program_.constants.end() ? nullptr : found->second.tensor;
}

std::vector<ValueId> Composer::Append(std::string_view domain, std::string_view op,
                                      std::vector<ValueId> inputs, size_t output_count,
                                      ProgramAttributes attributes) {
  while (!inputs.empty() && inputs.back() == 0) inputs.pop_back();
  std::vector<ValueId> outputs(output_count);
  for (ValueId& output : outputs) output = program_.next_id++;
  nodes_.push_back({.source = nullptr,
                    .op = op,
                    .domain = domain,
                    .inputs = std::move(inputs),
                    .outputs = outputs,
                    .subgraphs = {},
                    .attributes = std::move(attributes)});
  return outputs;
}

ValueId Composer::Make(std::string_view op, std::vector<ValueId> inputs,
                       ProgramAttributes attributes) {
  return Append("", op, std::move(inputs), 1, std::move(attributes))[0];
}

ValueId Composer::MakeOwn(std::string_view op, std::vector<ValueId> inputs,
                          ProgramAttributes attributes) {
  return Append(kOwnDomain, op, std::move(inputs), 1, std::move(attributes))[0];
}

std::vector<ValueId> Composer::MakeContributed(std::string_view op, std::vector<ValueId> inputs,
                                               size_t output_count, ProgramAttributes attributes) {
  return Append(kContributedDomain, op, std::move(inputs), output_count, std::move(attributes));
}

std::vector<ValueId> Composer::MakeSeveral(std::string_view op, std::vector<ValueId> inputs,
                                           size_t output_count, ProgramAttributes attributes) {
  return Append("", op, std::move(inputs), output_count, std::move(attributes));
}

ValueId Composer::AddInput(ValueId value, size_t index) {
  return Has(index) ? Make("Add", {value, Input(index)}) : value;
}

ValueId Composer::Literal(wire::ElementType type, std::vector<int64_t> dims, ByteSpan elements) {
  const ValueId id = program_.next_id++;
  program_.constants[id] = {"a constant of an expanded operator",
                            &AddLiteral(program_, type, std::move(dims), elements)};
  return id;
}

ValueId Composer::Derived(wire::ElementType type, std::vector<int64_t> dims,
                          onnx::Derivation derivation) {
  const ValueId id = program_.next_id++;
  program_.constants[id] = {"a constant of an expanded operator",
                            &AddDerived(program_, type, std::move(dims), std::move(derivation))};
  return id;
}

ValueId Composer::Float(float value) {
  return Literal(wire::ElementType::kFloat, {},
                 {reinterpret_cast<const uint8_t*>(&value), sizeof(value)});
}

ValueId Composer::Integer(int64_t value) {
  return Literal(wire::ElementType::kInt64, {},
                 {reinterpret_cast<const uint8_t*>(&value), sizeof(value)});
}

ValueId Composer::Integers(std::vector<int64_t> values) {
  return Literal(
      wire::ElementType::kInt64, {static_cast<int64_t>(values.size())},
      {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(int64_t)});
}

ProgramAttributes Composer::Copy(std::span<const std::string_view> names) const {
  ProgramAttributes copied;
  for (const std::string_view name : names) {
    if (const auto number = FloatAttribute(node_, name)) copied.push_back({name, *number});
    if (const auto integer = IntAttribute(node_, name)) copied.push_back({name, *integer});
    if (const auto text = StringAttribute(node_, name)) copied.push_back({name, *text});
    if (auto list = IntsAttribute(node_, name); list && list->size() <= kLongestList) {
      copied.push_back({name, *std::move(list)});
    }
  }
  return copied;
}

void Composer::Give(size_t output, ValueId value) {
  if (!HasOutput(output)) return;
  const ValueId given = node_.outputs[output];
  for (ProgramNode& node : nodes_) {
    std::ranges::replace(node.inputs, value, given);
    std::ranges::replace(node.outputs, value, given);
  }
}

}  // namespace ephemeralml::decompose
