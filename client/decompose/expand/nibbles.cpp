// Weights of four bits: they are constants, and their elements are given a byte each here, so that
// the engine needs no type for them.

#include <array>
#include <limits>

#include "client/decompose/expand/narrow.h"
#include "client/decompose/expand/rules.h"
#include "client/decompose/onnx/tensor_data.h"

namespace ephemeralml::decompose {
namespace {

using wire::ElementType;

// ONNX's numbers of these types. Source: onnx.proto, TensorProto.DataType.
constexpr int32_t kUint4 = 21;
constexpr int32_t kInt4 = 22;

int64_t CeilOfQuotient(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// The element count of dimensions that are known to be no absurd ones; -1 otherwise.
int64_t CountOf(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) return -1;
  }
  return count;
}

// A byte for each of `count` nibbles.
Bytes BytesOf(ByteSpan nibbles, size_t count, bool is_signed) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t nibble = PackedElement(nibbles, i, 4);
    bytes[i] = is_signed && nibble >= 8 ? static_cast<uint8_t>(nibble - 16) : nibble;
  }
  return bytes;
}

bool IsFourBits(const onnx::Tensor* tensor) {
  return tensor != nullptr && (tensor->data_type == kInt4 || tensor->data_type == kUint4);
}

// A constant of four-bit elements as one of eight-bit elements; 0 if it can't be read.
ValueId Unpacked(Composer& composer, const onnx::Tensor& tensor) {
  const int64_t count = CountOf(tensor.dims);
  if (count < 0 || count > std::numeric_limits<int64_t>::max() - 1) return 0;
  onnx::Tensor packed = {.name = tensor.name,
                         .data_type = static_cast<int32_t>(ElementType::kUint8),
                         .dims = {CeilOfQuotient(count, 2)},
                         .raw_data = tensor.raw_data,
                         .is_external = tensor.is_external,
                         .external_data = tensor.external_data,
                         .message = tensor.message,
                         .derivation = nullptr};
  if (!onnx::ReadTensorData(packed, composer.files())) return 0;
  const bool is_signed = tensor.data_type == kInt4;
  return composer.Derived(is_signed ? ElementType::kInt8 : ElementType::kUint8, tensor.dims,
                          {std::move(packed), [count, is_signed](ByteSpan nibbles) {
                             return BytesOf(nibbles, static_cast<size_t>(count), is_signed);
                           }});
}

}  // namespace

ValueId UnpackedNibbles(Composer& composer, size_t index) {
  const onnx::Tensor* tensor = composer.Constant(index);
  return IsFourBits(tensor) ? Unpacked(composer, *tensor) : 0;
}

// Of ai.onnx: what has bytes already needs nothing.
bool ExpandDequantizeLinear(Composer& composer) {
  constexpr std::array<std::string_view, 2> kNames = {"axis", "block_size"};
  const onnx::Tensor* x = composer.Constant(0);
  if (!IsFourBits(x)) return ExpandDequantizedFloat8(composer);
  const ValueId elements = Unpacked(composer, *x);
  ValueId zero_point = composer.Input(2);
  if (IsFourBits(composer.Constant(2))) zero_point = Unpacked(composer, *composer.Constant(2));
  if (elements == 0 || (composer.Has(2) && zero_point == 0)) return false;
  composer.Give(0, composer.MakeOwn("DequantizeLinear", {elements, composer.Input(1), zero_point},
                                    composer.Copy(kNames)));
  return true;
}

}  // namespace ephemeralml::decompose
