#pragma once
// A model that was prepared in memory, as if the engine had every operator of ours: what tests of
// the passes look at.

#include <memory>

#include "client/decompose/program/program.h"
#include "client/decompose/testing/models.h"

namespace ephemeralml::decompose::testing {

class PreparedModel {
 public:
  /// The model must be one that Decompose accepts.
  explicit PreparedModel(const ModelBuilder& builder, bool in_bfloat16 = false);

  const Program& program() const { return program_; }
  /// The main graph's operators in their order, ours as "our MatMul".
  std::vector<std::string> Operators() const { return OperatorsOf(program_.main); }
  /// The same of one graph of the program.
  static std::vector<std::string> OperatorsOf(const ProgramGraph& graph);
  /// The only node of that operator, ours or not. Ends the process if there isn't one.
  const ProgramNode& NodeOf(std::string_view op) const;
  /// The name that the model gives a constant, input, output or inner value; "" for a value of
  /// ours.
  std::string NameOf(ValueId value) const;
  /// NameOf every input.
  std::vector<std::string> InputsOf(std::string_view op) const;
  /// How the weight of that name is packed. Ends the process if it isn't.
  const Packing& PackingOf(std::string_view weight) const;

 private:
  Bytes bytes_;
  std::unique_ptr<onnx::Model> model_;
  Program program_;
  std::map<ValueId, std::string> names_;
};

}  // namespace ephemeralml::decompose::testing
