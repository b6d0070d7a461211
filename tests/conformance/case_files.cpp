#include "tests/conformance/case_files.h"

#include <onnx/onnx-data_pb.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "client/decompose/onnx/tensor_data.h"
#include "common/wire/strings.h"

namespace ephemeralml::conformance {
namespace {

using wire::ElementType;
using wire::ValueKind;

Error Malformed(const std::filesystem::path& path) {
  return {Code::kMalformed, "case_malformed", path.string() + " isn't what a test case holds"};
}

template <class Message>
Result<Message> ReadMessage(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Code::kIo, "file_unreadable", "can't read " + path.string()};
  Message message;
  if (!message.ParseFromIstream(&file)) return Malformed(path);
  return message;
}

template <class T, class Field>
void Append(Bytes& bytes, const Field& field) {
  for (const auto number : field) {
    const T value = static_cast<T>(number);
    const auto* first = reinterpret_cast<const uint8_t*>(&value);
    bytes.insert(bytes.end(), first, first + sizeof(T));
  }
}

// Which field holds a type's elements: onnx.proto, TensorProto.
Bytes TypedElements(const ::onnx::TensorProto& proto) {
  Bytes bytes;
  switch (static_cast<ElementType>(proto.data_type())) {
    case ElementType::kFloat:
      Append<float>(bytes, proto.float_data());
      break;
    case ElementType::kDouble:
      Append<double>(bytes, proto.double_data());
      break;
    case ElementType::kInt64:
      Append<int64_t>(bytes, proto.int64_data());
      break;
    case ElementType::kUint64:
      Append<uint64_t>(bytes, proto.uint64_data());
      break;
    case ElementType::kUint32:
      Append<uint32_t>(bytes, proto.uint64_data());
      break;
    case ElementType::kInt32:
      Append<int32_t>(bytes, proto.int32_data());
      break;
    case ElementType::kString:
      bytes = wire::EncodeStrings(
          std::vector<std::string_view>(proto.string_data().begin(), proto.string_data().end()));
      break;
    default:
      if (wire::ElementBytes(static_cast<ElementType>(proto.data_type())) == 2) {
        Append<uint16_t>(bytes, proto.int32_data());
      } else {
        Append<uint8_t>(bytes, proto.int32_data());
      }
  }
  return bytes;
}

size_t CountOf(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
  return count;
}

// Small elements as they lie in ONNX's files, the first in a byte's lowest bits.
std::string Packed(ElementType type, ByteSpan elements) {
  const auto bits = static_cast<size_t>(wire::ElementBits(type));
  const size_t in_a_byte = 8 / bits;
  std::string packed((elements.size() + in_a_byte - 1) / in_a_byte, '\0');
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto low = static_cast<size_t>(elements[i]) & ((size_t{1} << bits) - 1);
    packed[i / in_a_byte] |= static_cast<char>(low << (i % in_a_byte * bits));
  }
  return packed;
}

Value FromTensor(const ::onnx::TensorProto& proto) {
  Value value;
  value.type = wire::ElementTypeFromNumber(proto.data_type());
  value.shape.assign(proto.dims().begin(), proto.dims().end());
  const Bytes typed = proto.has_raw_data() ? Bytes() : TypedElements(proto);
  const ByteSpan stored = proto.has_raw_data() ? AsBytes(proto.raw_data()) : ByteSpan(typed);
  const bool is_packed = wire::ElementBits(value.type) % 8 != 0;
  value.data = SecretBytes::CopyOf(
      is_packed ? onnx::Unpacked(value.type, stored, CountOf(value.shape)) : stored);
  return value;
}

Value FromSequence(const ::onnx::SequenceProto& proto) {
  Value value;
  value.kind = ValueKind::kSequence;
  for (const ::onnx::TensorProto& element : proto.tensor_values()) {
    value.elements.push_back(FromTensor(element));
  }
  return value;
}

Value FromOptional(const ::onnx::OptionalProto& proto) {
  if (proto.has_tensor_value()) return FromTensor(proto.tensor_value());
  if (proto.has_sequence_value()) return FromSequence(proto.sequence_value());
  Value value;
  value.kind = ValueKind::kNothing;
  return value;
}

Result<Value> ReadValue(const std::filesystem::path& path, const ::onnx::ValueInfoProto& info) {
  Value value;
  if (info.type().has_sequence_type()) {
    TRY(const auto proto, ReadMessage<::onnx::SequenceProto>(path));
    value = FromSequence(proto);
  } else if (info.type().has_optional_type()) {
    TRY(const auto proto, ReadMessage<::onnx::OptionalProto>(path));
    value = FromOptional(proto);
  } else {
    TRY(const auto proto, ReadMessage<::onnx::TensorProto>(path));
    value = FromTensor(proto);
    // ONNX's writer of test data knows no bfloat16, and stores its bits as uint16.
    const auto declared = static_cast<ElementType>(info.type().tensor_type().elem_type());
    if (declared == ElementType::kBfloat16 && value.type == ElementType::kUint16) {
      value.type = declared;
    }
  }
  value.name = info.name();
  return value;
}

// input_0.pb, input_1.pb, …: the values of `infos` in their order, as far as there are files.
Result<std::vector<Value>> ReadValues(const std::filesystem::path& folder,
                                      const std::string& prefix,
                                      const std::vector<::onnx::ValueInfoProto>& infos) {
  std::vector<Value> values;
  for (size_t i = 0; i < infos.size(); ++i) {
    const auto path = folder / (prefix + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(path)) break;
    TRY(values.emplace_back(), ReadValue(path, infos[i]));
  }
  return values;
}

Result<DataSet> ReadDataSet(const std::filesystem::path& folder, const ::onnx::GraphProto& graph) {
  DataSet set;
  TRY(set.inputs, ReadValues(folder, "input_", {graph.input().begin(), graph.input().end()}));
  TRY(set.outputs, ReadValues(folder, "output_", {graph.output().begin(), graph.output().end()}));
  std::set<std::string> initializers;
  for (const auto& tensor : graph.initializer()) initializers.insert(tensor.name());
  std::erase_if(set.inputs, [&](const Value& value) { return initializers.contains(value.name); });
  return set;
}

}  // namespace

std::vector<std::string> FindCases(const std::filesystem::path& data) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    if (entry.path().filename() != "model.onnx") continue;
    names.push_back(std::filesystem::relative(entry.path().parent_path(), data).string());
  }
  std::ranges::sort(names);
  return names;
}

Result<Case> ReadCase(const std::filesystem::path& data, const std::string& name) {
  Case result;
  result.name = name;
  TRY(result.model, ReadMessage<::onnx::ModelProto>(data / name / "model.onnx"));
  for (size_t i = 0;; ++i) {
    const auto folder = data / name / ("test_data_set_" + std::to_string(i));
    if (!std::filesystem::is_directory(folder)) break;
    TRY(result.sets.emplace_back(), ReadDataSet(folder, result.model.graph()));
  }
  if (result.sets.empty()) return Malformed(data / name);
  return result;
}

Value Copy(const Value& value) {
  Value copy;
  copy.name = value.name;
  copy.type = value.type;
  copy.shape = value.shape;
  copy.data = value.data.Duplicate();
  copy.kind = value.kind;
  for (const Value& element : value.elements) copy.elements.push_back(Copy(element));
  return copy;
}

::onnx::TensorProto ToProto(const Value& value) {
  ::onnx::TensorProto proto;
  proto.set_name(value.name);
  proto.set_data_type(static_cast<int32_t>(value.type));
  proto.mutable_dims()->Add(value.shape.begin(), value.shape.end());
  const ByteSpan bytes = value.data.Reveal();
  if (value.type == ElementType::kString) {
    const auto texts = wire::DecodeStrings(bytes, CountOf(value.shape));
    for (const std::string_view text : *texts) proto.add_string_data(std::string(text));
  } else if (wire::ElementBits(value.type) % 8 != 0) {
    proto.set_raw_data(Packed(value.type, bytes));
  } else {
    proto.set_raw_data(std::string(AsText(bytes)));
  }
  return proto;
}

}  // namespace ephemeralml::conformance
