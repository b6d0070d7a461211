#pragma once
// Element types of tensors, numbered as in ONNX's TensorProto.DataType. An element of less than
// eight bits takes a byte of its own everywhere in this system: in messages, in blobs, in memory.
// Integers are extended to it (a signed one by its sign), and a float4e2m1 is its lower half.
// ONNX's files alone pack them (client/decompose/onnx/tensor_data.h).

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
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
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
    case ElementType::kFloat8E4M3FN:
    case ElementType::kFloat8E4M3FNUZ:
    case ElementType::kFloat8E5M2:
    case ElementType::kFloat8E5M2FNUZ:
    case ElementType::kFloat8E8M0:
    case ElementType::kUint4:
    case ElementType::kInt4:
    case ElementType::kFloat4E2M1:
    case ElementType::kUint2:
    case ElementType::kInt2:
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

/// Bits of an element that say what it is; 0 as ElementBytes.
constexpr int ElementBits(ElementType type) {
  switch (type) {
    case ElementType::kUint4:
    case ElementType::kInt4:
    case ElementType::kFloat4E2M1:
      return 4;
    case ElementType::kUint2:
    case ElementType::kInt2:
      return 2;
    default:
      return 8 * static_cast<int>(ElementBytes(type));
  }
}

/// Whole numbers of less than eight bits.
constexpr bool IsSmallInteger(ElementType type) {
  return ElementBits(type) == 2 || type == ElementType::kUint4 || type == ElementType::kInt4;
}

/// Floating-point numbers of eight bits or less.
constexpr bool IsSmallFloat(ElementType type) {
  return type >= ElementType::kFloat8E4M3FN && ElementBytes(type) == 1 && !IsSmallInteger(type);
}

/// The type with this number; kUndefined for numbers that name none.
constexpr ElementType ElementTypeFromNumber(int number) {
  const bool known = (number >= 0 && number <= 13) || (number >= 16 && number <= 26);
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
    case ElementType::kFloat8E4M3FN:
      return "float8e4m3fn";
    case ElementType::kFloat8E4M3FNUZ:
      return "float8e4m3fnuz";
    case ElementType::kFloat8E5M2:
      return "float8e5m2";
    case ElementType::kFloat8E5M2FNUZ:
      return "float8e5m2fnuz";
    case ElementType::kUint4:
      return "uint4";
    case ElementType::kInt4:
      return "int4";
    case ElementType::kFloat4E2M1:
      return "float4e2m1";
    case ElementType::kFloat8E8M0:
      return "float8e8m0";
    case ElementType::kUint2:
      return "uint2";
    case ElementType::kInt2:
      return "int2";
    case ElementType::kUndefined:
      return "undefined";
  }
  return "undefined";
}

}  // namespace ephemeralml::wire
