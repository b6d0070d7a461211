#pragma once
// Builds the nodes that one node is expanded to.

#include <utility>

#include "client/decompose/onnx/external_files.h"
#include "client/decompose/program/program.h"

namespace ephemeralml::decompose {

using ProgramAttributes = std::vector<ProgramAttribute>;

class Composer {
 public:
  Composer(Program& program, onnx::ExternalFiles& files, const ProgramNode& node)
      : program_(program), files_(files), node_(node) {}

  const ProgramNode& node() const { return node_; }
  int64_t opset() const { return program_.opset; }
  /// The node's input; 0 if it is left out.
  ValueId Input(size_t index) const;
  bool Has(size_t index) const { return Input(index) != 0; }
  /// True if something may use the output.
  bool HasOutput(size_t index) const;
  /// The tensor of an input that is a constant; null if it is none.
  const onnx::Tensor* Constant(size_t index) const;
  onnx::ExternalFiles& files() const { return files_; }

  /// A node of ai.onnx, and its first output.
  ValueId Make(std::string_view op, std::vector<ValueId> inputs, ProgramAttributes attributes = {});
  /// A node of our own domain, whose operators don't depend on what the model imports.
  ValueId MakeOwn(std::string_view op, std::vector<ValueId> inputs,
                  ProgramAttributes attributes = {});
  /// A node of ONNX Runtime's domain, which the expanded node is of; `output_count` outputs.
  std::vector<ValueId> MakeContributed(std::string_view op, std::vector<ValueId> inputs,
                                       size_t output_count, ProgramAttributes attributes);
  /// A node with several outputs.
  std::vector<ValueId> MakeSeveral(std::string_view op, std::vector<ValueId> inputs,
                                   size_t output_count, ProgramAttributes attributes = {});
  /// `value` plus an input of the node, if that is there.
  ValueId AddInput(ValueId value, size_t index);

  ValueId Float(float value);
  ValueId Integers(std::vector<int64_t> values);
  ValueId Integer(int64_t value);
  ValueId Literal(wire::ElementType type, std::vector<int64_t> dims, ByteSpan elements);
  /// A constant that is made from a tensor of the model when it is wanted.
  ValueId Derived(wire::ElementType type, std::vector<int64_t> dims, onnx::Derivation derivation);

  /// The node's attributes of these names, as they are given; of another kind they are left out.
  ProgramAttributes Copy(std::span<const std::string_view> names) const;

  /// Makes a value that a node made one of the expanded node's outputs.
  void Give(size_t output, ValueId value);
  std::vector<ProgramNode> TakeNodes() { return std::move(nodes_); }

 private:
  std::vector<ValueId> Append(std::string_view domain, std::string_view op,
                              std::vector<ValueId> inputs, size_t output_count,
                              ProgramAttributes attributes);

  Program& program_;
  onnx::ExternalFiles& files_;
  const ProgramNode& node_;
  std::vector<ProgramNode> nodes_;
};

}  // namespace ephemeralml::decompose
