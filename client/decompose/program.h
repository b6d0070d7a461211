#pragma once
// A model between reading and writing: values are numbers, constants are set apart, and every
// graph's outputs are made by its own nodes. Views point into the onnx::Model that it was made
// from.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/decompose/onnx/model.h"

namespace ephemeralml::decompose {

/// Numbered from 1 over the whole model, subgraphs included; 0 is an input or output left out.
using ValueId = uint32_t;

struct ProgramGraph;

struct ProgramNode {
  const onnx::Node* source = nullptr;  ///< null: an Identity that we added
  std::string_view op;
  std::string_view domain;  ///< empty: ai.onnx
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<ProgramGraph> subgraphs;  ///< of the attributes that hold graphs, in their order
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

/// A constant that stands in a node's attribute as numbers; its tensor views `bytes`.
struct Literal {
  Bytes bytes;
  onnx::Tensor tensor;
};

struct Program {
  ProgramGraph main;
  std::map<ValueId, Constant> constants;
  std::deque<Literal> literals;
};

/// "Conv node 'name'", for messages to the model's owner.
std::string Describe(const ProgramNode& node);

/// Calls `visit` for a node and every node below it, in the order of execution.
template <class Visit>
void ForEachNode(const ProgramGraph& graph, Visit&& visit) {
  for (const ProgramNode& node : graph.nodes) {
    visit(node);
    for (const ProgramGraph& subgraph : node.subgraphs) ForEachNode(subgraph, visit);
  }
}

}  // namespace ephemeralml::decompose
