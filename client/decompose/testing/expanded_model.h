#pragma once
// What the tests of Expand share: models with nodes of com.microsoft, and how they look afterwards.

#include <memory>

#include "client/decompose/expand/expand.h"
#include "client/decompose/onnx/read_model.h"
#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/program/resolve.h"
#include "client/decompose/testing/models.h"

namespace ephemeralml::decompose::testing {

/// A node of com.microsoft.
inline ::onnx::NodeProto* Contributed(ModelBuilder& builder, const std::string& op,
                                      const std::vector<std::string>& inputs,
                                      const std::vector<std::string>& outputs) {
  ::onnx::NodeProto* node = builder.Node(op, inputs, outputs);
  node->set_domain("com.microsoft");
  return node;
}

inline void ImportContributed(ModelBuilder& builder) {
  auto* set = builder.model().add_opset_import();
  set->set_domain("com.microsoft");
  set->set_version(1);
}

/// A model after Expand, which must outlive what looks at it.
struct Expanded {
  explicit Expanded(const ModelBuilder& builder) : bytes(builder.Serialize()) {
    auto read = onnx::ReadModel(bytes);
    CHECK(read.has_value());
    model = std::make_unique<onnx::Model>(*std::move(read));
    auto resolved = Resolve(*model);
    CHECK(resolved.has_value());
    program = *std::move(resolved);
    count = Expand(program, files);
  }

  std::vector<std::string> Operators() const {
    std::vector<std::string> names;
    for (const ProgramNode& node : program.main.nodes) {
      names.push_back((node.domain == kOwnDomain ? "our " : "") + std::string(node.op));
    }
    return names;
  }
  Bytes ConstantInput(std::string_view op, size_t input) {
    for (const ProgramNode& node : program.main.nodes) {
      if (node.op != op) continue;
      const auto data =
          onnx::ReadTensorData(*program.constants.at(node.inputs.at(input)).tensor, files);
      return {data->bytes().begin(), data->bytes().end()};
    }
    return {};
  }

  Bytes bytes;
  std::unique_ptr<onnx::Model> model;
  onnx::ExternalFiles files;
  Program program;
  size_t count = 0;
};

}  // namespace ephemeralml::decompose::testing
