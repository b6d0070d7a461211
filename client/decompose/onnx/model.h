#pragma once
// An ONNX model as views into its file's bytes: the skeleton is read, weights stay where they lie.
// Names are ONNX's (onnx.proto); what decomposition has no use for (doc strings, producer,
// metadata, shapes of inner values) is never read.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::onnx {

struct Graph;
struct Derivation;

struct Tensor {
  struct ExternalEntry {
    std::string_view key;
    std::string_view value;
  };

  std::string_view name;
  int32_t data_type = 0;
  std::vector<int64_t> dims;
  std::optional<ByteSpan> raw_data;
  bool is_external = false;
  std::vector<ExternalEntry> external_data;
  ByteSpan message;  ///< all of it: typed data is read from here when it is wanted
  std::shared_ptr<const Derivation> derivation;  ///< of a tensor that isn't in the model as it is
};

/// Elements that are made from another tensor's whenever they are wanted, so that a model's large
/// weights don't stay in memory in their other form.
struct Derivation {
  Tensor source;
  std::function<Bytes(ByteSpan source)> convert;
};

/// AttributeProto.AttributeType.
enum class AttributeType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
  kSparseTensor = 11,
  kSparseTensors = 12,
  kTypeProto = 13,
  kTypeProtos = 14,
};

struct Attribute {
  std::string_view name;
  AttributeType type = AttributeType::kUndefined;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::unique_ptr<Tensor> tensor;
  std::unique_ptr<Graph> graph;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::string_view reference;  ///< in a function: the attribute of the call that it is
};

struct Node {
  std::string_view name;
  std::string_view op_type;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<Attribute> attributes;
};

/// One dimension: a size, a symbol, or neither.
struct Dimension {
  std::optional<int64_t> value;
  std::string_view symbol;
};

struct ValueInfo {
  std::string_view name;
  bool is_tensor = false;    ///< false: a map or what we don't know, or no type at all
  bool is_sequence = false;  ///< of tensors, which `element_type` and `shape` describe
  bool is_optional = false;  ///< a tensor or sequence, or nothing
  bool has_type = false;
  int32_t element_type = 0;
  std::optional<std::vector<Dimension>> shape;
};

struct Graph {
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<std::string_view> sparse_initializers;  ///< names only: they aren't supported
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
};

struct OperatorSet {
  std::string_view domain;
  int64_t version = 0;
};

/// An operator that the model itself defines.
struct Function {
  std::string_view name;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<Attribute> defaults;
  std::vector<Node> nodes;
  std::vector<OperatorSet> operator_sets;
};

struct Model {
  using OperatorSet = onnx::OperatorSet;
  std::vector<OperatorSet> operator_sets;
  std::vector<Function> functions;
  std::deque<std::string> made_names;  ///< of values that ExpandFunctions made
  Graph graph;
};

}  // namespace ephemeralml::onnx
