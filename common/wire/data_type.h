#pragma once
// Element types of tensors, numbered as in ONNX's TensorProto.DataType.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ephemeralml::wire {

enum class ElementType : uint8_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBfloat16 = 16,
};

/// What a value is, apart from what its elements are. An optional that holds something is what it
/// holds. Numbered as session.proto's Kind.
enum class ValueKind : uint8_t { kTensor = 0, kSequence = 1, kNothing = 2 };

/// Bytes of one element; 0 for types without a fixed width or that we don't know.
constexpr size_t ElementBytes(ElementType type) {
  switch (type) {
    case ElementType::kUint8:
    case ElementType::kInt8:
    case ElementType::kBool:
      return 1;
    case ElementType::kUint16:
    case ElementType::kInt16:
    case ElementType::kFloat16:
    case ElementType::kBfloat16:
      return 2;
    case ElementType::kFloat:
    case ElementType::kInt32:
    case ElementType::kUint32:
      return 4;
    case ElementType::kInt64:
    case ElementType::kDouble:
    case ElementType::kUint64:
      return 8;
    case ElementType::kUndefined:
    case ElementType::kString:
      return 0;
  }
  return 0;
}

/// The type with this number; kUndefined for numbers that name none.
constexpr ElementType ElementTypeFromNumber(int number) {
  const bool known = (number >= 0 && number <= 13) || number == 16;
  return known ? static_cast<ElementType>(number) : ElementType::kUndefined;
}

/// ONNX's name for the type in lower case: float, int64, …
constexpr std::string_view Name(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
      return "float";
    case ElementType::kUint8:
      return "uint8";
    case ElementType::kInt8:
      return "int8";
    case ElementType::kUint16:
      return "uint16";
    case ElementType::kInt16:
      return "int16";
    case ElementType::kInt32:
      return "int32";
    case ElementType::kInt64:
      return "int64";
    case ElementType::kString:
      return "string";
    case ElementType::kBool:
      return "bool";
    case ElementType::kFloat16:
      return "float16";
    case ElementType::kDouble:
      return "double";
    case ElementType::kUint32:
      return "uint32";
    case ElementType::kUint64:
      return "uint64";
    case ElementType::kBfloat16:
      return "bfloat16";
    case ElementType::kUndefined:
      return "undefined";
  }
  return "undefined";
}

}  // namespace ephemeralml::wire
