#include "client/decompose/testing/prepared_model.h"

#include "client/decompose/onnx/read_model.h"
#include "client/decompose/prepare/prepare.h"
#include "client/decompose/program/order.h"
#include "client/decompose/program/resolve.h"

namespace ephemeralml::decompose::testing {

PreparedModel::PreparedModel(const ModelBuilder& builder, bool in_bfloat16)
    : bytes_(builder.Serialize()) {
  model_ = std::make_unique<onnx::Model>(onnx::ReadModel(bytes_).value());
  program_ = Resolve(*model_).value();
  CHECK(OrderNodes(program_.main).has_value());
  DropDeadNodes(program_.main);
  for (const auto& [value, constant] : program_.constants) names_[value] = constant.name;
  for (const auto& input : program_.main.inputs) names_[input.id] = input.source->name;
  for (const ProgramNode& node : program_.main.nodes) {
    for (size_t i = 0; i < node.outputs.size() && node.source != nullptr; ++i) {
      names_[node.outputs[i]] = node.source->outputs[i];
    }
  }
  onnx::ExternalFiles files;
  Prepare(
      program_, files, [](std::string_view) { return true; }, in_bfloat16);
}

std::vector<std::string> PreparedModel::OperatorsOf(const ProgramGraph& graph) {
  std::vector<std::string> operators;
  for (const ProgramNode& node : graph.nodes) {
    operators.push_back((node.domain == kOwnDomain ? "our " : "") + std::string(node.op));
  }
  return operators;
}

const ProgramNode& PreparedModel::NodeOf(std::string_view op) const {
  const ProgramNode* found = nullptr;
  for (const ProgramNode& node : program_.main.nodes) {
    if (node.op != op) continue;
    CHECK(found == nullptr);
    found = &node;
  }
  CHECK(found != nullptr);
  return *found;
}

std::string PreparedModel::NameOf(ValueId value) const {
  const auto found = names_.find(value);
  return found == names_.end() ? "" : found->second;
}

std::vector<std::string> PreparedModel::InputsOf(std::string_view op) const {
  std::vector<std::string> inputs;
  for (const ValueId input : NodeOf(op).inputs) inputs.push_back(NameOf(input));
  return inputs;
}

const Packing& PreparedModel::PackingOf(std::string_view weight) const {
  for (const auto& [value, packing] : program_.packings) {
    if (NameOf(value) == weight) return packing;
  }
  CHECK(false);
}

}  // namespace ephemeralml::decompose::testing
