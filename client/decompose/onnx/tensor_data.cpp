#include "client/decompose/onnx/tensor_data.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "client/decompose/onnx/message_reader.h"
#include "common/base/checked.h"
#include "common/wire/narrow_float.h"

namespace ephemeralml::onnx {
namespace {

using wire::ElementType;

// Fields of TensorProto that hold typed data.
constexpr int kFloatData = 4;
constexpr int kInt32Data = 5;
constexpr int kInt64Data = 7;
constexpr int kDoubleData = 10;
constexpr int kUint64Data = 11;

int DataField(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
      return kFloatData;
    case ElementType::kDouble:
      return kDoubleData;
    case ElementType::kInt64:
      return kInt64Data;
    case ElementType::kUint32:
    case ElementType::kUint64:
      return kUint64Data;
    default:
      return kInt32Data;
  }
}

Error Invalid(const Tensor& tensor, const std::string& what) {
  return {Code::kMalformed, "tensor_invalid", "tensor '" + std::string(tensor.name) + "' " + what};
}

// The values that a type stored in a wider field may take. Floats of 16 bits and less are stored as
// bits, elements of less than eight bits as the bytes that they are packed into.
struct Range {
  int64_t least;
  int64_t most;
};
template <class T>
constexpr Range kRange = {std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};

Range RangeOf(ElementType type) {
  switch (type) {
    case ElementType::kBool:
      return {0, 1};
    case ElementType::kInt8:
      return kRange<int8_t>;
    case ElementType::kInt16:
      return kRange<int16_t>;
    case ElementType::kInt32:
      return kRange<int32_t>;
    case ElementType::kUint32:
      return kRange<uint32_t>;
    default:
      break;
  }
  switch (wire::ElementBytes(type)) {  // of what else is written as the number that its bits are
    case 1:
      return kRange<uint8_t>;
    case 2:
      return kRange<uint16_t>;
    default:
      return kRange<int64_t>;
  }
}

// Gathers numbers of one width, up to the size that the dimensions say.
class Collector {
 public:
  Collector(const Tensor& tensor, ElementType type, size_t byte_count)
      : tensor_(&tensor), type_(type), range_(RangeOf(type)), byte_count_(byte_count) {
    // Dimensions may promise anything; an encoded number takes at least a byte.
    bytes_.reserve(std::min(byte_count, 8 * tensor.message.size()));
  }

  Done Take(uint64_t bits) {
    const size_t width = wire::ElementBytes(type_);
    if (byte_count_ - bytes_.size() < width) return WrongSize();
    const size_t at = bytes_.size();
    bytes_.resize(at + width);
    std::memcpy(bytes_.data() + at, &bits, width);
    return {};
  }
  Done TakeInteger(uint64_t value) {
    const auto number = static_cast<int64_t>(value);
    if (type_ != ElementType::kUint64 && (number < range_.least || number > range_.most)) {
      return Invalid(*tensor_, "holds a value that its type can't");
    }
    return Take(value);
  }
  Result<Bytes> Finish() {
    if (bytes_.size() != byte_count_) return WrongSize();
    return std::move(bytes_);
  }

 private:
  Error WrongSize() const {
    return Invalid(*tensor_, "holds more or fewer elements than its dimensions say");
  }

  const Tensor* tensor_;
  ElementType type_;
  Range range_;
  size_t byte_count_;
  Bytes bytes_;
};

Result<Bytes> ReadTypedData(const Tensor& tensor, ElementType type, size_t byte_count) {
  Collector collector(tensor, type, byte_count);
  const int field = DataField(type);
  TRY_OK(ForEachField(tensor.message, [&](MessageReader& reader) -> Done {
    if (reader.field() != field) return reader.Skip();
    if (field == kFloatData) {
      return reader.Fixed32s([&](uint32_t bits) { return collector.Take(bits); });
    }
    if (field == kDoubleData) {
      return reader.Fixed64s([&](uint64_t bits) { return collector.Take(bits); });
    }
    return reader.Varints([&](uint64_t value) { return collector.TakeInteger(value); });
  }));
  return collector.Finish();
}

// What ONNX's encodings hold: `byte_count` bytes, in which small elements are still packed.
Result<TensorData> ReadStored(const Tensor& tensor, ExternalFiles& files, size_t byte_count) {
  if (tensor.is_external) {
    TRY(const ByteSpan bytes, files.View(tensor, byte_count));
    return TensorData::ViewOf(bytes);
  }
  if (!tensor.raw_data) {
    TRY(Bytes bytes, ReadTypedData(tensor, TypeOf(tensor), byte_count));
    return TensorData::Owning(std::move(bytes));
  }
  if (tensor.raw_data->size() != byte_count) {
    return Invalid(tensor, "holds " + std::to_string(tensor.raw_data->size()) +
                               " bytes; its dimensions say " + std::to_string(byte_count));
  }
  return TensorData::ViewOf(*tensor.raw_data);
}

Result<TensorData> ReadUnchecked(const Tensor& tensor, ExternalFiles& files, size_t byte_count) {
  if (tensor.derivation != nullptr) {
    TRY(const TensorData source, ReadTensorData(tensor.derivation->source, files));
    Bytes bytes = tensor.derivation->convert(source.bytes());
    CHECK(bytes.size() == byte_count);
    return TensorData::Owning(std::move(bytes));
  }
  const ElementType type = TypeOf(tensor);
  const auto bits = static_cast<size_t>(wire::ElementBits(type));
  if (bits == 0 || bits >= 8) return ReadStored(tensor, files, byte_count);
  const size_t in_a_byte = 8 / bits;
  const size_t packed_bytes = byte_count / in_a_byte + (byte_count % in_a_byte != 0 ? 1 : 0);
  TRY(const TensorData packed, ReadStored(tensor, files, packed_bytes));
  return TensorData::Owning(Unpacked(type, packed.bytes(), byte_count));
}

}  // namespace

ElementType TypeOf(const Tensor& tensor) {
  const ElementType type = wire::ElementTypeFromNumber(tensor.data_type);
  return wire::ElementBytes(type) == 0 ? ElementType::kUndefined : type;
}

Result<size_t> ByteCount(const Tensor& tensor) {
  const ElementType type = TypeOf(tensor);
  if (type == ElementType::kUndefined) {
    return Error{Code::kUnsupported, "type_unsupported",
                 "tensor '" + std::string(tensor.name) + "' has ONNX's element type " +
                     std::to_string(tensor.data_type)};
  }
  if (tensor.dims.size() > kMostDimensions) return Invalid(tensor, "has too many dimensions");
  size_t bytes = wire::ElementBytes(type);
  bool is_empty = false;
  for (const int64_t dim : tensor.dims) {
    if (dim < 0) return Invalid(tensor, "has a negative dimension");
    is_empty = is_empty || dim == 0;
    // Zeros count as ones here: strides of an empty tensor must be countable too.
    TRY(bytes, CheckedMultiply(bytes, std::max<size_t>(static_cast<size_t>(dim), 1)));
  }
  return is_empty ? 0 : bytes;
}

Bytes Unpacked(ElementType type, ByteSpan packed, size_t count) {
  const auto bits = static_cast<size_t>(wire::ElementBits(type));
  CHECK(bits > 0 && bits < 8);
  const size_t in_a_byte = 8 / bits;
  CHECK(packed.size() >= count / in_a_byte + (count % in_a_byte != 0 ? 1 : 0));
  const bool is_signed = wire::IsSmallInteger(type) && wire::SmallIntegerOf(type).is_signed;
  const wire::SmallInteger format = {static_cast<int>(bits), is_signed};
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) {
    bytes[i] = format.Keep(static_cast<uint64_t>(packed[i / in_a_byte]) >> (i % in_a_byte * bits));
  }
  return bytes;
}

Result<TensorData> ReadTensorData(const Tensor& tensor, ExternalFiles& files) {
  TRY(const size_t byte_count, ByteCount(tensor));
  TRY(TensorData data, ReadUnchecked(tensor, files, byte_count));
  const auto is_no_bool = [](uint8_t byte) { return byte > 1; };
  if (TypeOf(tensor) == ElementType::kBool && std::ranges::any_of(data.bytes(), is_no_bool)) {
    return Invalid(tensor, "holds a boolean that is neither true nor false");
  }
  return data;
}

}  // namespace ephemeralml::onnx
