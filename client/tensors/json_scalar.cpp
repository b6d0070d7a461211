#include "client/tensors/json_scalar.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "common/wire/narrow_float.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

Error TypeMismatch(ElementType type) {
  return {Code::kMalformed, "json_type_mismatch",
          "a value doesn't suit a tensor of type " + std::string(wire::Name(type))};
}

Error OutOfRange(ElementType type) {
  return {Code::kMalformed, "json_number_out_of_range",
          "a number doesn't fit into " + std::string(wire::Name(type))};
}

template <class T>
Done Put(T value, MutableByteSpan out) {
  CHECK(out.size() == sizeof value);
  std::memcpy(out.data(), &value, sizeof value);
  return {};
}

template <class T>
Done StoreInteger(ElementType type, const JsonScalar& scalar, MutableByteSpan out) {
  const auto store = [&](auto value) -> Done {
    if (!std::in_range<T>(value)) return OutOfRange(type);
    return Put(static_cast<T>(value), out);
  };
  if (const auto* negative = std::get_if<int64_t>(&scalar)) return store(*negative);
  if (const auto* positive = std::get_if<uint64_t>(&scalar)) return store(*positive);
  return TypeMismatch(type);
}

template <class T>
Result<T> ReadReal(ElementType type, const JsonScalar& scalar) {
  if (const auto* negative = std::get_if<int64_t>(&scalar)) return static_cast<T>(*negative);
  if (const auto* positive = std::get_if<uint64_t>(&scalar)) return static_cast<T>(*positive);
  const auto* real = std::get_if<Real>(&scalar);
  if (real == nullptr) return TypeMismatch(type);
  T value = 0;
  const char* end = real->text.data() + real->text.size();
  const auto [at, error] = std::from_chars(real->text.data(), end, value);
  if (error == std::errc() && at == end) return value;
  // What is too small for the type is out of range for from_chars, but nothing is wrong with it.
  const bool too_small = error == std::errc::result_out_of_range && std::fabs(real->nearest) < 1;
  if (too_small) return static_cast<T>(real->nearest);
  return OutOfRange(type);
}

Done StoreNarrow(ElementType type, const JsonScalar& scalar, MutableByteSpan out) {
  TRY(const double value, ReadReal<double>(type, scalar));
  const wire::NarrowFloat& format = wire::FormatOf(type);
  if (!wire::Holds(format, value)) return OutOfRange(type);
  const uint16_t bits =
      wire::Narrow(format, value, {.saturate = false, .power = wire::Narrowing::Power::kNearest});
  if (wire::ElementBytes(type) == 1) return Put(static_cast<uint8_t>(bits), out);
  return Put(bits, out);
}

// An integer of less than eight bits is one of eight in its range.
Done StoreSmallInteger(ElementType type, const JsonScalar& scalar, MutableByteSpan out) {
  const wire::SmallInteger format = wire::SmallIntegerOf(type);
  int8_t value = 0;
  TRY_OK(StoreInteger<int8_t>(type, scalar, {reinterpret_cast<uint8_t*>(&value), sizeof value}));
  if (value < format.Least() || value > format.Most()) return OutOfRange(type);
  return Put(value, out);
}

}  // namespace

Done StoreElement(ElementType type, const JsonScalar& scalar, MutableByteSpan out) {
  switch (type) {
    case ElementType::kFloat: {
      TRY(const float value, ReadReal<float>(type, scalar));
      return Put(value, out);
    }
    case ElementType::kDouble: {
      TRY(const double value, ReadReal<double>(type, scalar));
      return Put(value, out);
    }
    case ElementType::kFloat16:
    case ElementType::kBfloat16:
    case ElementType::kFloat8E4M3FN:
    case ElementType::kFloat8E4M3FNUZ:
    case ElementType::kFloat8E5M2:
    case ElementType::kFloat8E5M2FNUZ:
    case ElementType::kFloat4E2M1:
    case ElementType::kFloat8E8M0:
      return StoreNarrow(type, scalar, out);
    case ElementType::kUint4:
    case ElementType::kInt4:
    case ElementType::kUint2:
    case ElementType::kInt2:
      return StoreSmallInteger(type, scalar, out);
    case ElementType::kUint8:
      return StoreInteger<uint8_t>(type, scalar, out);
    case ElementType::kInt8:
      return StoreInteger<int8_t>(type, scalar, out);
    case ElementType::kUint16:
      return StoreInteger<uint16_t>(type, scalar, out);
    case ElementType::kInt16:
      return StoreInteger<int16_t>(type, scalar, out);
    case ElementType::kUint32:
      return StoreInteger<uint32_t>(type, scalar, out);
    case ElementType::kInt32:
      return StoreInteger<int32_t>(type, scalar, out);
    case ElementType::kUint64:
      return StoreInteger<uint64_t>(type, scalar, out);
    case ElementType::kInt64:
      return StoreInteger<int64_t>(type, scalar, out);
    case ElementType::kBool: {
      const bool* value = std::get_if<bool>(&scalar);
      if (value == nullptr) return TypeMismatch(type);
      return Put(static_cast<uint8_t>(*value), out);
    }
    case ElementType::kString:
    case ElementType::kUndefined:
      break;
  }
  return TypeMismatch(type);
}

}  // namespace ephemeralml::tensors
