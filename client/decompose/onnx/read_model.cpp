#include "client/decompose/onnx/read_model.h"

#include <bit>
#include <string>

#include "client/decompose/onnx/message_reader.h"

namespace ephemeralml::onnx {
namespace {

Error TooLarge(const std::string& what) { return {Code::kOverLimit, "onnx_too_large", what}; }

// One reader for a whole model: it counts what it makes. Field numbers are those of onnx.proto.
class ModelReader {
 public:
  Result<Model> ReadModelProto(ByteSpan bytes) {
    Model model;
    bool has_graph = false;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      switch (reader.field()) {
        case 7: {
          if (std::exchange(has_graph, true)) return MessageReader::Malformed();
          TRY(const ByteSpan graph, reader.View());
          return Set(model.graph, ReadGraph(graph, 1));
        }
        case 8: {
          TRY(const ByteSpan set, reader.View());
          return Add(model.operator_sets, ReadOperatorSet(set));
        }
        case 25: {
          TRY(const ByteSpan function, reader.View());
          return Add(model.functions, ReadFunction(function));
        }
        default:
          return reader.Skip();
      }
    }));
    if (!has_graph) return MessageReader::Malformed();
    return model;
  }

 private:
  template <class T>
  Done Add(std::vector<T>& list, Result<T> item) {
    if (++items_ > kMostItems) return TooLarge("the model has more parts than any sane one");
    if (!item) return item.error();
    list.push_back(*std::move(item));
    return {};
  }

  static Result<Model::OperatorSet> ReadOperatorSet(ByteSpan bytes) {
    Model::OperatorSet set;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() == 1) return Set(set.domain, reader.Text());
      if (reader.field() == 2) return Set(set.version, reader.Int());
      return reader.Skip();
    }));
    return set;
  }

  Result<Function> ReadFunction(ByteSpan bytes) {
    Function function;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      switch (reader.field()) {
        case 1:
          return Set(function.name, reader.Text());
        case 4:
          return Add(function.inputs, reader.Text());
        case 5:
          return Add(function.outputs, reader.Text());
        case 7: {
          TRY(const ByteSpan node, reader.View());
          return Add(function.nodes, ReadNode(node, 1));
        }
        case 9: {
          TRY(const ByteSpan set, reader.View());
          return Add(function.operator_sets, ReadOperatorSet(set));
        }
        case 10:
          return Set(function.domain, reader.Text());
        case 11: {
          TRY(const ByteSpan attribute, reader.View());
          return Add(function.defaults, ReadAttribute(attribute, 1));
        }
        default:
          return reader.Skip();
      }
    }));
    return function;
  }

  // The text field `number` of a message of which nothing else is wanted.
  static Result<std::string_view> ReadText(ByteSpan bytes, int number) {
    std::string_view text;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      return reader.field() == number ? Set(text, reader.Text()) : reader.Skip();
    }));
    return text;
  }

  Result<Graph> ReadGraph(ByteSpan bytes, int depth) {
    if (depth > kDeepestGraph) return TooLarge("graphs are nested too deeply");
    Graph graph;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      const int field = reader.field();
      if (field != 1 && field != 5 && field != 11 && field != 12 && field != 15) {
        return reader.Skip();
      }
      TRY(const ByteSpan part, reader.View());
      if (field == 1) return Add(graph.nodes, ReadNode(part, depth));
      if (field == 5) return Add(graph.initializers, ReadTensor(part));
      if (field == 11) return Add(graph.inputs, ReadValueInfo(part));
      if (field == 12) return Add(graph.outputs, ReadValueInfo(part));
      return Add(graph.sparse_initializers, ReadSparseName(part));
    }));
    return graph;
  }

  // A sparse tensor is known by the name of its values.
  static Result<std::string_view> ReadSparseName(ByteSpan bytes) {
    std::string_view name;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() != 1) return reader.Skip();
      TRY(const ByteSpan values, reader.View());
      return Set(name, ReadText(values, 8));
    }));
    return name;
  }

  Result<Node> ReadNode(ByteSpan bytes, int depth) {
    Node node;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      switch (reader.field()) {
        case 1:
          return Add(node.inputs, reader.Text());
        case 2:
          return Add(node.outputs, reader.Text());
        case 3:
          return Set(node.name, reader.Text());
        case 4:
          return Set(node.op_type, reader.Text());
        case 5: {
          TRY(const ByteSpan attribute, reader.View());
          return Add(node.attributes, ReadAttribute(attribute, depth));
        }
        case 7:
          return Set(node.domain, reader.Text());
        default:
          return reader.Skip();
      }
    }));
    return node;
  }

  Result<Attribute> ReadAttribute(ByteSpan bytes, int depth) {
    Attribute attribute;
    AttributeType seen = AttributeType::kUndefined;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      const AttributeType type = TypeOfField(reader.field());
      if (type != AttributeType::kUndefined) seen = type;
      return ReadAttributeField(reader, attribute, depth);
    }));
    // The first IR versions had no `type`: the field that is there says it.
    if (attribute.type == AttributeType::kUndefined) attribute.type = seen;
    return attribute;
  }

  Done ReadAttributeField(MessageReader& reader, Attribute& attribute, int depth) {
    switch (reader.field()) {
      case 1:
        return Set(attribute.name, reader.Text());
      case 2: {
        TRY(const uint32_t bits, reader.Fixed32());
        attribute.f = std::bit_cast<float>(bits);
        return {};
      }
      case 3:
        return Set(attribute.i, reader.Int());
      case 4:
        return Set(attribute.s, reader.Text());
      case 5: {
        TRY(const ByteSpan bytes, reader.View());
        TRY(Tensor tensor, ReadTensor(bytes));
        attribute.tensor = std::make_unique<Tensor>(std::move(tensor));
        return {};
      }
      case 6: {
        TRY(const ByteSpan bytes, reader.View());
        TRY(Graph graph, ReadGraph(bytes, depth + 1));
        attribute.graph = std::make_unique<Graph>(std::move(graph));
        return {};
      }
      case 7:
        return ReadFloats(reader, attribute.floats);
      case 8:
        return ReadInts(reader, attribute.ints);
      case 9:
        return Add(attribute.strings, reader.Text());
      case 21:
        return Set(attribute.reference, reader.Text());
      case 20: {
        TRY(const int32_t type, reader.Int32());
        attribute.type = static_cast<AttributeType>(type);
        return {};
      }
      default:
        return reader.Skip();
    }
  }

  static AttributeType TypeOfField(int field) {
    switch (field) {
      case 2:
        return AttributeType::kFloat;
      case 3:
        return AttributeType::kInt;
      case 4:
        return AttributeType::kString;
      case 5:
        return AttributeType::kTensor;
      case 6:
        return AttributeType::kGraph;
      case 7:
        return AttributeType::kFloats;
      case 8:
        return AttributeType::kInts;
      case 9:
        return AttributeType::kStrings;
      case 10:
        return AttributeType::kTensors;
      case 11:
        return AttributeType::kGraphs;
      case 14:
        return AttributeType::kTypeProto;
      case 15:
        return AttributeType::kTypeProtos;
      case 22:
        return AttributeType::kSparseTensor;
      case 23:
        return AttributeType::kSparseTensors;
      default:
        return AttributeType::kUndefined;
    }
  }

  Done ReadInts(MessageReader& reader, std::vector<int64_t>& ints) {
    return reader.Varints(
        [&](uint64_t value) { return Add<int64_t>(ints, static_cast<int64_t>(value)); });
  }

  Done ReadFloats(MessageReader& reader, std::vector<float>& floats) {
    return reader.Fixed32s(
        [&](uint32_t bits) { return Add<float>(floats, std::bit_cast<float>(bits)); });
  }

  Result<Tensor> ReadTensor(ByteSpan bytes) {
    Tensor tensor;
    tensor.message = bytes;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      switch (reader.field()) {
        case 1:
          return ReadInts(reader, tensor.dims);
        case 2:
          return Set(tensor.data_type, reader.Int32());
        case 8:
          return Set(tensor.name, reader.Text());
        case 9:
          return Set(tensor.raw_data, reader.View());
        case 13: {
          TRY(const ByteSpan entry, reader.View());
          TRY(const std::string_view key, ReadText(entry, 1));
          TRY(const std::string_view value, ReadText(entry, 2));
          return Add<Tensor::ExternalEntry>(tensor.external_data,
                                            Tensor::ExternalEntry{key, value});
        }
        case 14: {
          TRY(const int32_t location, reader.Int32());
          tensor.is_external = location == 1;
          return {};
        }
        default:
          return reader.Skip();
      }
    }));
    return tensor;
  }

  Result<ValueInfo> ReadValueInfo(ByteSpan bytes) {
    ValueInfo info;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() == 1) return Set(info.name, reader.Text());
      if (reader.field() != 2) return reader.Skip();
      TRY(const ByteSpan type, reader.View());
      info.has_type = true;
      return ReadType(type, info);
    }));
    return info;
  }

  Done ReadType(ByteSpan bytes, ValueInfo& info) {
    return ForEachField(bytes, [&](MessageReader& reader) -> Done {
      const int field = reader.field();
      if (field != 1 && field != 4 && field != 9) return reader.Skip();
      TRY(const ByteSpan inner, reader.View());
      if (field == 1) {
        info.is_tensor = true;
        return ReadTensorType(inner, info);
      }
      // Sequences of optionals, and sequences of sequences, are of no use to any operator.
      if (info.is_sequence || (field == 9 && info.is_optional)) return MessageReader::Malformed();
      (field == 4 ? info.is_sequence : info.is_optional) = true;
      return ReadElementType(inner, info);
    });
  }

  // Of a sequence or an optional.
  Done ReadElementType(ByteSpan bytes, ValueInfo& info) {
    return ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() != 1) return reader.Skip();
      TRY(const ByteSpan type, reader.View());
      return ReadType(type, info);
    });
  }

  Done ReadTensorType(ByteSpan bytes, ValueInfo& info) {
    return ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() == 1) return Set(info.element_type, reader.Int32());
      if (reader.field() != 2) return reader.Skip();
      TRY(const ByteSpan shape, reader.View());
      return Set(info.shape, ReadShape(shape));
    });
  }

  Result<std::vector<Dimension>> ReadShape(ByteSpan bytes) {
    std::vector<Dimension> shape;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() != 1) return reader.Skip();
      TRY(const ByteSpan dimension, reader.View());
      return Add(shape, ReadDimension(dimension));
    }));
    return shape;
  }

  static Result<Dimension> ReadDimension(ByteSpan bytes) {
    Dimension dimension;
    TRY_OK(ForEachField(bytes, [&](MessageReader& reader) -> Done {
      if (reader.field() == 1) return Set(dimension.value, reader.Int());
      if (reader.field() == 2) return Set(dimension.symbol, reader.Text());
      return reader.Skip();
    }));
    return dimension;
  }

  size_t items_ = 0;
};

}  // namespace

Result<Model> ReadModel(ByteSpan bytes) {
  if (bytes.size() > INT_MAX) {
    return TooLarge(
        "an ONNX file has at most 2 GiB; larger models keep their weights in a file of their own "
        "(external data)");
  }
  return ModelReader().ReadModelProto(bytes);
}

}  // namespace ephemeralml::onnx
