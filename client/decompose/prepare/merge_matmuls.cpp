#include "client/decompose/prepare/passes.h"
#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {
namespace {

// Our own products without a residual: MatMul takes a left operand and a weight, MatMuls several.
bool IsMergeable(const ProgramNode& node) {
  return IsOwn(node, "MatMuls") || (IsOwn(node, "MatMul") && node.inputs.size() == 2);
}

bool HaveSameActivation(const ProgramNode& a, const ProgramNode& b) {
  if (StringAttribute(a, "activation") != StringAttribute(b, "activation")) return false;
  return FloatAttribute(a, "activation_alpha") == FloatAttribute(b, "activation_alpha") &&
         FloatAttribute(a, "activation_beta") == FloatAttribute(b, "activation_beta");
}

}  // namespace

// Only neighbours: results that wait for others to be made would take memory.
void MergeMatMuls(ProgramGraph& graph) {
  std::vector<ProgramNode> merged;
  for (ProgramNode& node : graph.nodes) {
    const bool follows = !merged.empty() && IsMergeable(merged.back()) && IsMergeable(node) &&
                         merged.back().inputs[0] == node.inputs[0] &&
                         HaveSameActivation(merged.back(), node);
    if (!follows) {
      merged.push_back(std::move(node));
      continue;
    }
    ProgramNode& together = merged.back();
    together.op = "MatMuls";
    together.inputs.push_back(node.inputs[1]);
    together.outputs.push_back(node.outputs[0]);
  }
  graph.nodes = std::move(merged);
}

}  // namespace ephemeralml::decompose
