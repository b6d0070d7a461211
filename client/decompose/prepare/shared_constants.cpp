#include "client/decompose/prepare/shared_constants.h"

#include <compare>
#include <map>
#include <set>

namespace ephemeralml::decompose {
namespace {

// What a constant is sealed as: of packed ones with the operator, which tells the layout. Biases
// and factors are told by their bytes: passes make them anew for each use.
struct Sealed {
  const onnx::Tensor* tensor = nullptr;
  std::string_view op = {};
  bool transposed = false;
  const onnx::Tensor* bias = nullptr;
  std::string_view bias_bytes = {};
  std::string_view factors = {};

  friend auto operator<=>(const Sealed&, const Sealed&) = default;
};

// The name of one operator for all that take the value in the same layout.
std::string_view LayoutOperator(const ProgramNode& user, ValueId value) {
  if (IsOwn(user, "MatMuls")) return "MatMul";
  if (!IsOwn(user, "PointwiseDepthwiseConv")) return user.op;
  return user.inputs[1] == value ? "Conv" : "DepthwiseConv";
}

Sealed SealedAs(const Program& program, ValueId value, const ProgramNode& user) {
  const onnx::Tensor* tensor = program.constants.at(value).tensor;
  const auto packing = program.packings.find(value);
  if (packing == program.packings.end()) return {.tensor = tensor};
  const auto& [transposed, bias, channel_scale] = packing->second;
  const bool has_bytes = bias != nullptr && bias->raw_data;
  return {.tensor = tensor,
          .op = LayoutOperator(user, value),
          .transposed = transposed,
          .bias = has_bytes ? nullptr : bias,
          .bias_bytes = has_bytes ? AsText(*bias->raw_data) : std::string_view(),
          .factors = {reinterpret_cast<const char*>(channel_scale.data()),
                      channel_scale.size() * sizeof(float)}};
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
