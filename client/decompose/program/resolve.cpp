#include "client/decompose/program/resolve.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "common/wire/data_type.h"

namespace ephemeralml::decompose {
namespace {

Error Invalid(const std::string& what) { return {Code::kMalformed, "graph_invalid", what}; }

std::string_view Normalized(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

// The names of one graph, and of those around it.
struct Scope {
  const Scope* outer = nullptr;
  std::unordered_map<std::string_view, ValueId> values;

  std::optional<ValueId> Find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
      const auto found = scope->values.find(name);
      if (found != scope->values.end()) return found->second;
    }
    return std::nullopt;
  }
};

class Resolver {
 public:
  Result<Program> ResolveModel(const onnx::Model& model) {
    if (model.graph.outputs.empty()) return Invalid("the model has no outputs");
    TRY(program_.main, ResolveGraph(model.graph, nullptr));
    TRY_OK(CheckOutputNames(model.graph));
    for (const auto& [domain, version] : model.operator_sets) {
      if (Normalized(domain).empty()) program_.opset = version;
    }
    return std::move(program_);
  }

 private:
  static Done CheckOutputNames(const onnx::Graph& graph) {
    std::set<std::string_view> names;
    for (const onnx::ValueInfo& output : graph.outputs) {
      if (!names.insert(output.name).second) {
        return Invalid("'" + std::string(output.name) + "' is an output twice");
      }
    }
    return {};
  }

  Result<ProgramGraph> ResolveGraph(const onnx::Graph& graph, const Scope* outer) {
    Scope scope{.outer = outer, .values = {}};
    ProgramGraph resolved;
    TRY_OK(DefineInitializers(graph, scope));
    TRY_OK(DefineInputs(graph, scope, resolved));
    for (const onnx::Node& node : graph.nodes) {
      for (const std::string_view output : node.outputs) {
        if (!output.empty()) TRY_OK(Define(scope, output));
      }
    }
    for (const onnx::Node& node : graph.nodes) {
      if (TakeConstant(node, scope)) continue;
      TRY(ProgramNode resolved_node, ResolveNode(node, scope));
      resolved.nodes.push_back(std::move(resolved_node));
    }
    TRY_OK(ResolveOutputs(graph, scope, resolved));
    return resolved;
  }

  Done Define(Scope& scope, std::string_view name) {
    if (name.empty()) return Invalid("a value has no name");
    const std::string quoted = "'" + std::string(name) + "'";
    if (scope.outer != nullptr && scope.outer->Find(name)) {
      return Invalid("a subgraph defines " + quoted + " anew, which the graph around it has");
    }
    if (!scope.values.emplace(name, program_.next_id).second) {
      return Invalid(quoted + " is defined twice");
    }
    ++program_.next_id;
    return {};
  }

  Done DefineInitializers(const onnx::Graph& graph, Scope& scope) {
    for (const onnx::Tensor& tensor : graph.initializers) {
      TRY_OK(Define(scope, tensor.name));
      program_.constants[scope.values.at(tensor.name)] = {tensor.name, &tensor};
    }
    for (const std::string_view name : graph.sparse_initializers) {
      TRY_OK(Define(scope, name));
      program_.constants[scope.values.at(name)] = {name, nullptr};
    }
    return {};
  }

  // IR versions before 4 list every initializer as an input, too: there it is a weight.
  Done DefineInputs(const onnx::Graph& graph, Scope& scope, ProgramGraph& resolved) {
    std::unordered_set<std::string_view> seen;
    for (const onnx::ValueInfo& input : graph.inputs) {
      if (!seen.insert(input.name).second) {
        return Invalid("'" + std::string(input.name) + "' is an input twice");
      }
      if (scope.values.contains(input.name)) continue;
      TRY_OK(Define(scope, input.name));
      resolved.inputs.push_back({scope.values.at(input.name), &input});
    }
    return {};
  }

  // True if the node is a constant of numbers, which needs no node. Other kinds stay, to be
  // refused.
  bool TakeConstant(const onnx::Node& node, const Scope& scope) {
    if (node.op_type != "Constant" || !Normalized(node.domain).empty()) return false;
    if (node.attributes.size() != 1 || node.outputs.size() != 1) return false;
    if (node.outputs[0].empty()) return false;
    const onnx::Tensor* tensor = ConstantTensor(node.attributes[0]);
    if (tensor == nullptr) return false;
    program_.constants[scope.values.at(node.outputs[0])] = {node.outputs[0], tensor};
    return true;
  }

  const onnx::Tensor* ConstantTensor(const onnx::Attribute& attribute) {
    using onnx::AttributeType;
    if (attribute.name == "value" && attribute.type == AttributeType::kTensor) {
      return attribute.tensor.get();
    }
    if (attribute.name == "value_float" && attribute.type == AttributeType::kFloat) {
      return AddLiteral<float>(std::span(&attribute.f, 1), wire::ElementType::kFloat, {});
    }
    if (attribute.name == "value_floats" && attribute.type == AttributeType::kFloats) {
      return AddLiteral<float>(attribute.floats, wire::ElementType::kFloat,
                               {static_cast<int64_t>(attribute.floats.size())});
    }
    if (attribute.name == "value_int" && attribute.type == AttributeType::kInt) {
      return AddLiteral<int64_t>(std::span(&attribute.i, 1), wire::ElementType::kInt64, {});
    }
    if (attribute.name == "value_ints" && attribute.type == AttributeType::kInts) {
      return AddLiteral<int64_t>(attribute.ints, wire::ElementType::kInt64,
                                 {static_cast<int64_t>(attribute.ints.size())});
    }
    return nullptr;
  }

  template <class T>
  const onnx::Tensor* AddLiteral(std::span<const T> values, wire::ElementType type,
                                 std::vector<int64_t> dims) {
    static_assert(std::endian::native == std::endian::little);
    const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    return &decompose::AddLiteral(program_, type, std::move(dims), {bytes, values.size_bytes()});
  }

  Result<ProgramNode> ResolveNode(const onnx::Node& node, const Scope& scope) {
    ProgramNode resolved{.source = &node,
                         .op = node.op_type,
                         .domain = Normalized(node.domain),
                         .inputs = {},
                         .outputs = {},
                         .subgraphs = {},
                         .attributes = {}};
    for (const std::string_view input : node.inputs) {
      const auto id = input.empty() ? ValueId{0} : scope.Find(input);
      if (!id) {
        return Invalid("the " + Describe(resolved) + " reads '" + std::string(input) +
                       "', which nothing makes");
      }
      resolved.inputs.push_back(*id);
    }
    for (const std::string_view output : node.outputs) {
      resolved.outputs.push_back(output.empty() ? 0 : scope.values.at(output));
    }
    for (const onnx::Attribute& attribute : node.attributes) {
      if (attribute.type != onnx::AttributeType::kGraph || attribute.graph == nullptr) continue;
      TRY(ProgramGraph subgraph, ResolveGraph(*attribute.graph, &scope));
      resolved.subgraphs.push_back(std::move(subgraph));
    }
    return resolved;
  }

  // An output that no node of this graph makes (a weight, an input, a value of the graph around it)
  // goes through an Identity, so that the engine has one kind of output.
  Done ResolveOutputs(const onnx::Graph& graph, const Scope& scope, ProgramGraph& resolved) {
    std::unordered_set<ValueId> made;
    for (const ProgramNode& node : resolved.nodes)
      made.insert(node.outputs.begin(), node.outputs.end());
    for (const onnx::ValueInfo& output : graph.outputs) {
      const auto id = scope.Find(output.name);
      if (!id) return Invalid("nothing makes the output '" + std::string(output.name) + "'");
      ValueId result = *id;
      if (made.erase(*id) == 0) {
        result = program_.next_id++;
        resolved.nodes.push_back({.source = nullptr,
                                  .op = "Identity",
                                  .domain = "",
                                  .inputs = {*id},
                                  .outputs = {result},
                                  .subgraphs = {},
                                  .attributes = {}});
      }
      resolved.outputs.push_back({result, &output});
    }
    return {};
  }

  Program program_;
};

}  // namespace

Result<Program> Resolve(const onnx::Model& model) { return Resolver().ResolveModel(model); }

}  // namespace ephemeralml::decompose
