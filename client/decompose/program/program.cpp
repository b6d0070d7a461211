#include "client/decompose/program/program.h"

#include <algorithm>

namespace ephemeralml::decompose {
namespace {

const onnx::Attribute* FindSource(const ProgramNode& node, std::string_view name,
                                  onnx::AttributeType type) {
  if (node.source == nullptr) return nullptr;
  const auto& attributes = node.source->attributes;
  const auto found = std::ranges::find(attributes, name, &onnx::Attribute::name);
  return found == attributes.end() || found->type != type ? nullptr : &*found;
}

template <class T>
std::optional<T> FindOwn(const ProgramNode& node, std::string_view name) {
  const auto found = std::ranges::find(node.attributes, name, &ProgramAttribute::name);
  if (found == node.attributes.end()) return std::nullopt;
  const T* value = std::get_if<T>(&found->value);
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

}  // namespace

std::string Describe(const ProgramNode& node) {
  const std::string op(node.op);
  if (node.source == nullptr) return op + " node of our own";
  if (!node.source->name.empty()) return op + " node '" + std::string(node.source->name) + "'";
  for (const std::string_view output : node.source->outputs) {
    if (!output.empty()) return op + " node that makes '" + std::string(output) + "'";
  }
  return op + " node without a name";
}

bool Is(const ProgramNode& node, std::string_view op) {
  return node.domain.empty() && node.op == op;
}

bool IsOwn(const ProgramNode& node, std::string_view op) {
  return node.domain == kOwnDomain && node.op == op;
}

std::optional<int64_t> IntAttribute(const ProgramNode& node, std::string_view name) {
  const auto* source = FindSource(node, name, onnx::AttributeType::kInt);
  return source != nullptr ? source->i : FindOwn<int64_t>(node, name);
}

std::optional<float> FloatAttribute(const ProgramNode& node, std::string_view name) {
  const auto* source = FindSource(node, name, onnx::AttributeType::kFloat);
  return source != nullptr ? source->f : FindOwn<float>(node, name);
}

std::optional<std::string_view> StringAttribute(const ProgramNode& node, std::string_view name) {
  const auto* source = FindSource(node, name, onnx::AttributeType::kString);
  return source != nullptr ? source->s : FindOwn<std::string_view>(node, name);
}

std::optional<std::vector<int64_t>> IntsAttribute(const ProgramNode& node, std::string_view name) {
  const auto* source = FindSource(node, name, onnx::AttributeType::kInts);
  return source != nullptr ? source->ints : FindOwn<std::vector<int64_t>>(node, name);
}

const onnx::Tensor& AddLiteral(Program& program, wire::ElementType type, std::vector<int64_t> dims,
                               ByteSpan elements) {
  Literal& literal = program.literals.emplace_back();
  literal.bytes.assign(elements.begin(), elements.end());
  literal.tensor.data_type = static_cast<int32_t>(type);
  literal.tensor.dims = std::move(dims);
  literal.tensor.raw_data = literal.bytes;
  return literal.tensor;
}

const onnx::Tensor& AddDerived(Program& program, wire::ElementType type, std::vector<int64_t> dims,
                               onnx::Derivation derivation) {
  onnx::Tensor& tensor = program.literals.emplace_back().tensor;
  tensor.data_type = static_cast<int32_t>(type);
  tensor.dims = std::move(dims);
  tensor.derivation = std::make_shared<const onnx::Derivation>(std::move(derivation));
  return tensor;
}

}  // namespace ephemeralml::decompose
