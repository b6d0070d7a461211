#include "client/decompose/testing/models.h"

#include <numeric>

namespace ephemeralml::decompose::testing {
namespace {

void FillInfo(::onnx::ValueInfoProto* info, const std::string& name,
              const std::vector<int64_t>& dims, int type) {
  info->set_name(name);
  auto* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape();
  for (const int64_t dim : dims) {
    auto* dimension = tensor->mutable_shape()->add_dim();
    if (dim < 0) {
      dimension->set_dim_param("any");
    } else {
      dimension->set_dim_value(dim);
    }
  }
}

template <class T>
void Fill(::onnx::TensorProto* tensor, int type, const std::vector<int64_t>& dims,
          const std::vector<T>& values) {
  tensor->set_data_type(type);
  tensor->mutable_dims()->Add(dims.begin(), dims.end());
  tensor->set_raw_data(values.data(), values.size() * sizeof(T));
}

::onnx::AttributeProto* Add(::onnx::NodeProto* node, const std::string& name,
                            ::onnx::AttributeProto::AttributeType type) {
  auto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

}  // namespace

GraphBuilder& GraphBuilder::Input(const std::string& name, std::vector<int64_t> dims, int type) {
  FillInfo(graph_->add_input(), name, dims, type);
  return *this;
}

GraphBuilder& GraphBuilder::Output(const std::string& name, std::vector<int64_t> dims, int type) {
  FillInfo(graph_->add_output(), name, dims, type);
  return *this;
}

::onnx::NodeProto* GraphBuilder::Node(const std::string& op, std::vector<std::string> inputs,
                                      std::vector<std::string> outputs) {
  auto* node = graph_->add_node();
  node->set_op_type(op);
  for (const std::string& input : inputs) node->add_input(input);
  for (const std::string& output : outputs) node->add_output(output);
  return node;
}

::onnx::TensorProto* GraphBuilder::Floats(const std::string& name, std::vector<int64_t> dims,
                                          const std::vector<float>& values) {
  auto* tensor = graph_->add_initializer();
  tensor->set_name(name);
  FillFloats(tensor, dims, values);
  return tensor;
}

::onnx::TensorProto* GraphBuilder::Ints(const std::string& name, std::vector<int64_t> dims,
                                        const std::vector<int64_t>& values) {
  auto* tensor = graph_->add_initializer();
  tensor->set_name(name);
  FillInts(tensor, dims, values);
  return tensor;
}

ModelBuilder::ModelBuilder(int64_t opset) : GraphBuilder(nullptr) {
  model_.set_ir_version(8);
  auto* set = model_.add_opset_import();
  set->set_version(opset);
  static_cast<GraphBuilder&>(*this) = GraphBuilder(model_.mutable_graph());
}

Bytes ModelBuilder::Serialize() const {
  Bytes bytes(model_.ByteSizeLong());
  CHECK(model_.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())));
  return bytes;
}

::onnx::AttributeProto* AddInt(::onnx::NodeProto* node, const std::string& name, int64_t value) {
  auto* attribute = Add(node, name, ::onnx::AttributeProto::INT);
  attribute->set_i(value);
  return attribute;
}

::onnx::AttributeProto* AddFloat(::onnx::NodeProto* node, const std::string& name, float value) {
  auto* attribute = Add(node, name, ::onnx::AttributeProto::FLOAT);
  attribute->set_f(value);
  return attribute;
}

::onnx::AttributeProto* AddInts(::onnx::NodeProto* node, const std::string& name,
                                const std::vector<int64_t>& values) {
  auto* attribute = Add(node, name, ::onnx::AttributeProto::INTS);
  attribute->mutable_ints()->Add(values.begin(), values.end());
  return attribute;
}

::onnx::AttributeProto* AddString(::onnx::NodeProto* node, const std::string& name,
                                  const std::string& value) {
  auto* attribute = Add(node, name, ::onnx::AttributeProto::STRING);
  attribute->set_s(value);
  return attribute;
}

::onnx::TensorProto* AddTensor(::onnx::NodeProto* node, const std::string& name) {
  return Add(node, name, ::onnx::AttributeProto::TENSOR)->mutable_t();
}

GraphBuilder AddGraph(::onnx::NodeProto* node, const std::string& name) {
  return GraphBuilder(Add(node, name, ::onnx::AttributeProto::GRAPH)->mutable_g());
}

void FillFloats(::onnx::TensorProto* tensor, const std::vector<int64_t>& dims,
                const std::vector<float>& values) {
  Fill(tensor, kFloat, dims, values);
}

void FillInts(::onnx::TensorProto* tensor, const std::vector<int64_t>& dims,
              const std::vector<int64_t>& values) {
  Fill(tensor, kInt64, dims, values);
}

std::vector<float> Counting(size_t count, float first) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

}  // namespace ephemeralml::decompose::testing
