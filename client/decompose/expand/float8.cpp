// Floats of eight bits: they are constants, and become float16 here, so that the engine needs no
// type for them.

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "client/decompose/expand/narrow.h"
#include "client/decompose/expand/rules.h"
#include "client/decompose/onnx/tensor_data.h"

namespace ephemeralml::decompose {
namespace {

using wire::ElementType;

// Source: ONNX's documentation "Float stored in 8 bits"; IEEE 754 of float16.
struct Format {
  int32_t type = 0;  ///< ONNX's number, onnx.proto, TensorProto.DataType
  int mantissa_bits = 0;
  int bias = 0;
  bool is_unsigned_zero = false;  ///< minus zero is the only NaN
  bool has_infinity = false;
};
constexpr auto kFormats = std::to_array<Format>({
    {17, 3, 7, false, false},  // FLOAT8E4M3FN
    {18, 3, 8, true, false},   // FLOAT8E4M3FNUZ
    {19, 2, 15, false, true},  // FLOAT8E5M2
    {20, 2, 16, true, false},  // FLOAT8E5M2FNUZ
});
constexpr uint16_t kNotANumber = 0x7E00;
constexpr uint16_t kInfinity = 0x7C00;
constexpr int kHalfMantissa = 10;
constexpr int kLeastHalf = 24;  // float16 counts in units of two to the minus that

std::optional<Format> FormatOf(const onnx::Tensor* tensor) {
  if (tensor == nullptr) return std::nullopt;
  const auto found = std::ranges::find(kFormats, tensor->data_type, &Format::type);
  return found == kFormats.end() ? std::nullopt : std::optional(*found);
}

uint16_t HalfOf(const Format& format, uint8_t byte) {
  const int magnitude = byte & 0x7F;
  const auto sign = static_cast<uint16_t>((byte & 0x80) << 8);
  const int mantissa_mask = (1 << format.mantissa_bits) - 1;
  const int mantissa = magnitude & mantissa_mask;
  const int exponent = magnitude >> format.mantissa_bits;
  if (format.is_unsigned_zero && byte == 0x80) return kNotANumber;
  if (format.has_infinity && exponent == 0x1F)
    return mantissa == 0 ? sign | kInfinity : kNotANumber;
  if (!format.is_unsigned_zero && !format.has_infinity && magnitude == 0x7F) return kNotANumber;
  const auto digits =
      static_cast<uint64_t>(exponent == 0 ? mantissa : mantissa + mantissa_mask + 1);
  const int shift = std::max(exponent, 1) - format.bias - format.mantissa_bits + kLeastHalf;
  const uint64_t units = digits << shift;
  const int top = static_cast<int>(std::bit_width(units)) - 1;
  if (top < kHalfMantissa) return static_cast<uint16_t>(sign | units);
  const uint64_t fraction = (units >> (top - kHalfMantissa)) & 0x3FF;
  return static_cast<uint16_t>(sign | ((top - kHalfMantissa + 1) << kHalfMantissa) | fraction);
}

Bytes HalvesOf(const Format& format, ByteSpan bytes) {
  Bytes halves(bytes.size() * 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint16_t half = HalfOf(format, bytes[i]);
    halves[2 * i] = static_cast<uint8_t>(half);
    halves[2 * i + 1] = static_cast<uint8_t>(half >> 8);
  }
  return halves;
}

// The same bytes under a type that can be read.
onnx::Tensor AsBytes(const onnx::Tensor& tensor) {
  return {.name = tensor.name,
          .data_type = static_cast<int32_t>(ElementType::kUint8),
          .dims = tensor.dims,
          .raw_data = tensor.raw_data,
          .is_external = tensor.is_external,
          .external_data = tensor.external_data,
          .message = tensor.message,
          .derivation = nullptr};
}

bool IsZero(Composer& composer, size_t index) {
  const onnx::Tensor* tensor = composer.Constant(index);
  if (!FormatOf(tensor)) return false;
  const onnx::Tensor bytes = AsBytes(*tensor);
  const auto data = onnx::ReadTensorData(bytes, composer.files());
  return data && std::ranges::all_of(data->bytes(), [](uint8_t byte) { return byte == 0; });
}

// A scale of each index of an axis, shaped so that it broadcasts; 0 if it is of another form.
ValueId ScaleAlong(Composer& composer, const std::vector<int64_t>& dims) {
  const onnx::Tensor* scale = composer.Constant(1);
  if (scale == nullptr) return 0;
  const bool is_one = scale->dims.empty() || scale->dims == std::vector<int64_t>{1};
  if (is_one) return composer.Input(1);
  const auto rank = static_cast<int64_t>(dims.size());
  int64_t axis = IntAttribute(composer.node(), "axis").value_or(1);
  if (axis < 0) axis += rank;
  if (scale->dims.size() != 1 || axis < 0 || axis >= rank) return 0;
  std::vector<int64_t> shape(static_cast<size_t>(rank - axis), 1);
  shape[0] = scale->dims[0];
  return composer.Make("Reshape", {composer.Input(1), composer.Integers(std::move(shape))});
}

}  // namespace

ValueId WidenedFloat8(Composer& composer, size_t index) {
  const onnx::Tensor* tensor = composer.Constant(index);
  const auto format = FormatOf(tensor);
  if (!format) return 0;
  onnx::Tensor bytes = AsBytes(*tensor);
  if (!onnx::ReadTensorData(bytes, composer.files())) return 0;
  return composer.Derived(
      ElementType::kFloat16, tensor->dims,
      {std::move(bytes), [format = *format](ByteSpan given) { return HalvesOf(format, given); }});
}

bool ExpandCast(Composer& composer) {
  constexpr std::array<std::string_view, 1> kNames = {"to"};
  ValueId value = WidenedFloat8(composer, 0);
  if (value == 0) value = UnpackedNibbles(composer, 0);
  if (value == 0) return false;
  composer.Give(0, composer.Make("Cast", {value}, composer.Copy(kNames)));
  return true;
}

// The value times its scale, in the scale's type. A zero point is zero.
bool ExpandDequantizedFloat8(Composer& composer) {
  const ValueId value = WidenedFloat8(composer, 0);
  if (value == 0 || IntAttribute(composer.node(), "block_size").value_or(0) != 0) return false;
  if (composer.Has(2) && !IsZero(composer, 2)) return false;
  const ValueId scale = ScaleAlong(composer, composer.Constant(0)->dims);
  if (scale == 0) return false;
  const ValueId alike = composer.Make("CastLike", {value, composer.Input(1)});
  composer.Give(0, composer.Make("Mul", {alike, scale}));
  return true;
}

}  // namespace ephemeralml::decompose
