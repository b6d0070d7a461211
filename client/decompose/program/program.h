#pragma once
// A model between reading and writing: values are numbers, constants are set apart, and every
// graph's outputs are made by its own nodes. Views point into the onnx::Model that it was made
// from. Passes rewrite it (client/decompose/prepare).

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "client/decompose/onnx/model.h"
#include "common/wire/data_type.h"

namespace ephemeralml::decompose {

/// Of the operators that no ONNX file may use: docs/decisions/0006-prepared-graphs.md.
inline constexpr std::string_view kOwnDomain = "ephemeralml";
inline constexpr int64_t kOwnDomainVersion = 1;

/// Numbered from 1 over the whole model, subgraphs included; 0 is an input or output left out.
using ValueId = uint32_t;

struct ProgramGraph;

/// An attribute of a node that we made.
struct ProgramAttribute {
  std::string_view name;
  std::variant<float, int64_t, std::string_view, std::vector<int64_t>> value;
};

struct ProgramNode {
  const onnx::Node* source = nullptr;  ///< null: a node that we made
  std::string_view op;
  std::string_view domain;  ///< empty: ai.onnx
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<ProgramGraph> subgraphs;       ///< of the attributes that hold graphs, in their order
  std::vector<ProgramAttribute> attributes;  ///< of a node that we made; else the source's count
};

struct ProgramValue {
  ValueId id = 0;
  const onnx::ValueInfo* source = nullptr;
};

struct ProgramGraph {
  std::vector<ProgramNode> nodes;
  std::vector<ProgramValue> inputs;
  std::vector<ProgramValue> outputs;
};

/// An initializer, or what a Constant node holds.
struct Constant {
  std::string_view name;
  const onnx::Tensor* tensor = nullptr;  ///< null: a sparse one, which isn't supported
};

/// A constant that stands in no tensor of the model; its tensor views `bytes`.
struct Literal {
  Bytes bytes;
  onnx::Tensor tensor;
};

/// What is sealed together with a weight whose node takes it packed.
struct Packing {
  bool transposed = false;             ///< a matrix that the model holds as [N, K]
  const onnx::Tensor* bias = nullptr;  ///< one float an output column or channel, or none
  std::vector<float> channel_scale;    ///< multiplied into every output channel; empty: none
};

struct Program {
  ProgramGraph main;
  std::map<ValueId, Constant> constants;
  std::deque<Literal> literals;
  std::map<ValueId, Packing> packings;  ///< of the weights that our own operators take
  ValueId next_id = 1;
  int64_t opset = 0;  ///< of ai.onnx; 0: not imported
};

/// "Conv node 'name'", for messages to the model's owner.
std::string Describe(const ProgramNode& node);

/// True for an operator of ai.onnx.
bool Is(const ProgramNode& node, std::string_view op);
/// True for one of our own operators.
bool IsOwn(const ProgramNode& node, std::string_view op);

/// A node's attribute of that kind; none if it isn't there or is of another kind.
std::optional<int64_t> IntAttribute(const ProgramNode& node, std::string_view name);
std::optional<float> FloatAttribute(const ProgramNode& node, std::string_view name);
std::optional<std::string_view> StringAttribute(const ProgramNode& node, std::string_view name);
std::optional<std::vector<int64_t>> IntsAttribute(const ProgramNode& node, std::string_view name);

/// A new tensor of little-endian elements that lives as long as the program.
const onnx::Tensor& AddLiteral(Program& program, wire::ElementType type, std::vector<int64_t> dims,
                               ByteSpan elements);

/// A new tensor whose elements are made from another's when they are wanted.
const onnx::Tensor& AddDerived(Program& program, wire::ElementType type, std::vector<int64_t> dims,
                               onnx::Derivation derivation);

/// Calls `visit` for a node and every node below it, in the order of execution.
template <class Visit>
void ForEachNode(const ProgramGraph& graph, Visit&& visit) {
  for (const ProgramNode& node : graph.nodes) {
    visit(node);
    for (const ProgramGraph& subgraph : node.subgraphs) ForEachNode(subgraph, visit);
  }
}

/// Calls `visit` for a graph, which it may change, and then for every graph below it.
template <class Visit>
void ForEachGraph(ProgramGraph& graph, Visit&& visit) {
  visit(graph);
  for (ProgramNode& node : graph.nodes) {
    for (ProgramGraph& subgraph : node.subgraphs) ForEachGraph(subgraph, visit);
  }
}

}  // namespace ephemeralml::decompose
