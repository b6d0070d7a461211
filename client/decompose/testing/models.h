#pragma once
// Small ONNX models for tests, made with the format's own message classes: what we read was written
// by somebody else's code. Never linked into a program.

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::decompose::testing {

inline constexpr int kFloat = ::onnx::TensorProto::FLOAT;
inline constexpr int kInt64 = ::onnx::TensorProto::INT64;

/// Builds one graph: a model's own or a subgraph's.
class GraphBuilder {
 public:
  explicit GraphBuilder(::onnx::GraphProto* graph) : graph_(graph) {}

  /// A dimension of -1 becomes the symbol "any".
  GraphBuilder& Input(const std::string& name, std::vector<int64_t> dims, int type = kFloat);
  GraphBuilder& Output(const std::string& name, std::vector<int64_t> dims, int type = kFloat);
  ::onnx::NodeProto* Node(const std::string& op, std::vector<std::string> inputs,
                          std::vector<std::string> outputs);
  /// In raw_data.
  ::onnx::TensorProto* Floats(const std::string& name, std::vector<int64_t> dims,
                              const std::vector<float>& values);
  ::onnx::TensorProto* Ints(const std::string& name, std::vector<int64_t> dims,
                            const std::vector<int64_t>& values);
  ::onnx::GraphProto* get() { return graph_; }

 private:
  ::onnx::GraphProto* graph_;
};

/// A model that imports `opset` of ai.onnx.
class ModelBuilder : public GraphBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 17);
  ModelBuilder(const ModelBuilder&) = delete;
  ModelBuilder& operator=(const ModelBuilder&) = delete;

  ::onnx::ModelProto& model() { return model_; }
  Bytes Serialize() const;

 private:
  ::onnx::ModelProto model_;
};

::onnx::AttributeProto* AddInt(::onnx::NodeProto* node, const std::string& name, int64_t value);
::onnx::AttributeProto* AddFloat(::onnx::NodeProto* node, const std::string& name, float value);
::onnx::AttributeProto* AddInts(::onnx::NodeProto* node, const std::string& name,
                                const std::vector<int64_t>& values);
::onnx::AttributeProto* AddString(::onnx::NodeProto* node, const std::string& name,
                                  const std::string& value);
/// An attribute with an empty tensor, to be filled.
::onnx::TensorProto* AddTensor(::onnx::NodeProto* node, const std::string& name);
GraphBuilder AddGraph(::onnx::NodeProto* node, const std::string& name);

void FillFloats(::onnx::TensorProto* tensor, const std::vector<int64_t>& dims,
                const std::vector<float>& values);
void FillInts(::onnx::TensorProto* tensor, const std::vector<int64_t>& dims,
              const std::vector<int64_t>& values);

/// `count` floats that differ from each other.
std::vector<float> Counting(size_t count, float first = 1);

}  // namespace ephemeralml::decompose::testing
