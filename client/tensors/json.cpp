#include "client/tensors/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/tensors/json_walker.h"
#include "common/wire/narrow_float.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

// Which kinds of values a tensor holds, to guess the type of one that doesn't say it.
struct Kinds {
  bool integers = false;
  bool reals = false;
  bool booleans = false;
};

ElementType TypeOf(const JsonOutline& outline, const Kinds& kinds, const TypesByName& untyped) {
  if (outline.type.has_value()) return *outline.type;
  if (const auto known = untyped.find(outline.name); known != untyped.end()) return known->second;
  if (kinds.integers && !kinds.reals) return ElementType::kInt64;
  if (kinds.booleans && !kinds.reals) return ElementType::kBool;
  return ElementType::kFloat;
}

// Declared and nested shapes must agree; a flat list may have any declared shape of its length.
Result<std::vector<int64_t>> ShapeOf(const JsonOutline& outline) {
  if (!outline.shape.has_value()) return outline.nesting;
  TRY(const size_t count, ByteCount(ElementType::kUint8, *outline.shape));
  const bool flat = outline.nesting.size() == 1 && outline.count == count;
  if (!flat && outline.nesting != *outline.shape) {
    return Error{Code::kMalformed, "json_shape_mismatch",
                 "tensor '" + outline.name + "' has " + std::to_string(outline.count) +
                     " numbers in a nesting that its shape doesn't describe"};
  }
  return *outline.shape;
}

// Tensors as outlined, of zeros.
Result<std::vector<NamedTensor>> Allocate(std::vector<JsonOutline> outlines,
                                          const std::vector<Kinds>& kinds,
                                          const TypesByName& untyped) {
  std::vector<NamedTensor> tensors;
  size_t total = 0;
  for (size_t i = 0; i < outlines.size(); ++i) {
    const ElementType type = TypeOf(outlines[i], i < kinds.size() ? kinds[i] : Kinds{}, untyped);
    TRY(std::vector<int64_t> shape, ShapeOf(outlines[i]));
    TRY(const size_t bytes, ByteCount(type, shape));
    total += bytes;
    if (total > kMaxTensorBytes) {
      return Error{Code::kOverLimit, "tensor_over_limit",
                   "the file holds more than " + std::to_string(kMaxTensorBytes) + " bytes"};
    }
    tensors.push_back({std::move(outlines[i].name), type, std::move(shape), SecretBytes(bytes)});
  }
  return tensors;
}

template <class T>
T ElementAt(ByteSpan data, size_t index) {
  T value;
  std::memcpy(&value, data.data() + index * sizeof value, sizeof value);
  return value;
}

template <class T>
void AppendNumber(std::string& out, T value) {
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof digits, value);
  CHECK(result.ec == std::errc());
  out.append(digits, result.ptr);
}

template <class T>
void AppendReal(std::string& out, T value) {
  if (std::isnan(value)) {
    out += "\"nan\"";
  } else if (std::isinf(value)) {
    out += value < 0 ? "\"-inf\"" : "\"inf\"";
  } else if (value == 0) {
    // Without its fraction a negative zero would read back as an integer, which has none.
    out += std::signbit(value) ? "-0.0" : "0";
  } else {
    AppendNumber(out, value);
  }
}

void AppendElement(std::string& out, ElementType type, ByteSpan data, size_t i) {
  if (wire::IsSmallFloat(type) || wire::IsSmallInteger(type)) {
    return AppendReal(out, wire::ValuesOf(type)[data[i]]);
  }
  switch (type) {
    case ElementType::kFloat:
      return AppendReal(out, ElementAt<float>(data, i));
    case ElementType::kDouble:
      return AppendReal(out, ElementAt<double>(data, i));
    case ElementType::kFloat16:
    case ElementType::kBfloat16:
      return AppendReal(out, wire::Widen(wire::FormatOf(type), ElementAt<uint16_t>(data, i)));
    case ElementType::kUint8:
      return AppendNumber(out, ElementAt<uint8_t>(data, i));
    case ElementType::kInt8:
      return AppendNumber(out, ElementAt<int8_t>(data, i));
    case ElementType::kUint16:
      return AppendNumber(out, ElementAt<uint16_t>(data, i));
    case ElementType::kInt16:
      return AppendNumber(out, ElementAt<int16_t>(data, i));
    case ElementType::kUint32:
      return AppendNumber(out, ElementAt<uint32_t>(data, i));
    case ElementType::kInt32:
      return AppendNumber(out, ElementAt<int32_t>(data, i));
    case ElementType::kUint64:
      return AppendNumber(out, ElementAt<uint64_t>(data, i));
    case ElementType::kInt64:
      return AppendNumber(out, ElementAt<int64_t>(data, i));
    case ElementType::kBool:
      out += data[i] != 0 ? "true" : "false";
      return;
    default:
      CHECK(false);  // ByteCount refused these
  }
}

Done AppendTensor(std::string& out, const NamedTensor& tensor) {
  TRY(const size_t bytes, ByteCount(tensor.type, tensor.shape));
  CHECK(tensor.data.size() == bytes);
  // Escapes whatever isn't ASCII, and replaces what isn't UTF-8.
  out += nlohmann::json(tensor.name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  out += ": {\"type\": \"" + std::string(wire::Name(tensor.type)) + "\", \"shape\": [";
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i > 0) out += ", ";
    AppendNumber(out, tensor.shape[i]);
  }
  out += "], \"data\": [";
  const size_t count = bytes / wire::ElementBytes(tensor.type);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += ", ";
    AppendElement(out, tensor.type, tensor.data.Reveal(), i);
  }
  out += "]}";
  return {};
}

// Characters for each byte of an element: a float takes at most 15, an int64 20, a double 24, and
// two part them.
size_t CharactersOf(ElementType type) {
  if (wire::IsSmallFloat(type)) return 17;
  return wire::ElementBytes(type) == 2 ? 9 : 7;
}

// Enough for the text, so that it doesn't grow and leave copies.
size_t TextBytesBound(std::span<const NamedTensor> tensors) {
  size_t bound = 64;
  for (const NamedTensor& tensor : tensors) {
    bound += 128 + 6 * tensor.name.size() + 22 * tensor.shape.size();
    bound += tensor.data.size() * CharactersOf(tensor.type);
  }
  return bound;
}

}  // namespace

Result<std::vector<NamedTensor>> DecodeJson(std::string_view text, const TypesByName& untyped) {
  std::vector<Kinds> kinds;
  const auto note_kind = [&](size_t tensor, const JsonScalar& scalar) -> Done {
    if (kinds.size() <= tensor) kinds.resize(tensor + 1);
    kinds[tensor].reals |= std::holds_alternative<Real>(scalar);
    kinds[tensor].booleans |= std::holds_alternative<bool>(scalar);
    kinds[tensor].integers |=
        std::holds_alternative<int64_t>(scalar) || std::holds_alternative<uint64_t>(scalar);
    return {};
  };
  TRY(auto outlines, WalkJson(text, note_kind));
  TRY(auto tensors, Allocate(std::move(outlines), kinds, untyped));

  std::vector<size_t> filled(tensors.size(), 0);
  const auto store = [&](size_t tensor, const JsonScalar& scalar) -> Done {
    const ElementType type = tensors[tensor].type;
    const size_t width = wire::ElementBytes(type);
    const size_t at = std::exchange(filled[tensor], filled[tensor] + width);
    return StoreElement(type, scalar, tensors[tensor].data.Fill().subspan(at, width));
  };
  TRY(const auto again, WalkJson(text, store));
  CHECK(again.size() == tensors.size());
  return tensors;
}

Result<SecretBytes> EncodeJson(std::span<const NamedTensor> tensors) {
  std::string text;
  text.reserve(TextBytesBound(tensors));
  text += '{';
  for (const NamedTensor& tensor : tensors) {
    if (&tensor != tensors.data()) text += ",\n ";
    TRY_OK(AppendTensor(text, tensor));
  }
  text += "}\n";
  SecretBytes file = SecretBytes::CopyOf(AsBytes(text));
  Wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return file;
}

}  // namespace ephemeralml::tensors
