#include "client/decompose/prepare/shared_constants.h"

#include <map>
#include <set>
#include <tuple>

namespace ephemeralml::decompose {
namespace {

// What a constant is sealed as: of packed ones with the operator, which tells the layout.
using Sealed = std::tuple<const onnx::Tensor*, std::string_view, bool, const onnx::Tensor*,
                          std::vector<float>>;

Sealed SealedAs(const Program& program, ValueId value, const ProgramNode& user) {
  const onnx::Tensor* tensor = program.constants.at(value).tensor;
  const auto packing = program.packings.find(value);
  if (packing == program.packings.end()) return {tensor, "", false, nullptr, {}};
  const auto& [transposed, bias, channel_scale] = packing->second;
  // MatMul and MatMuls take the same layout.
  const std::string_view op = IsOwn(user, "MatMuls") ? "MatMul" : user.op;
  return {tensor, op, transposed, bias, channel_scale};
}

}  // namespace

void SeparateConstants(Program& program, Facts& facts) {
  std::set<ValueId> taken;
  ForEachGraph(program.main, [&](ProgramGraph& graph) {
    for (ProgramNode& node : graph.nodes) {
      for (ValueId& input : node.inputs) {
        if (!program.constants.contains(input) || taken.insert(input).second) continue;
        const ValueId own = program.next_id++;
        program.constants[own] = program.constants.at(input);
        facts.Rename(input, own);
        input = own;
      }
    }
  });
}

void JoinConstants(Program& program) {
  std::map<Sealed, ValueId> first;
  ForEachGraph(program.main, [&](ProgramGraph& graph) {
    for (ProgramNode& node : graph.nodes) {
      for (ValueId& input : node.inputs) {
        if (!program.constants.contains(input)) continue;
        input = first.try_emplace(SealedAs(program, input, node), input).first->second;
      }
    }
  });
}

}  // namespace ephemeralml::decompose
