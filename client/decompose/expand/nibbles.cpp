// Weights of four bits: they are constants, and their elements are given a byte each here, so that
// the engine needs no type for them.

#include <algorithm>
#include <array>
#include <limits>

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

// Element `index` of nibbles, the lower half of a byte first.
uint8_t NibbleAt(ByteSpan bytes, size_t index) {
  return static_cast<uint8_t>((bytes[index / 2] >> (index % 2 * 4)) & 0xF);
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
                         .message = tensor.message};
  const auto data = onnx::ReadTensorData(packed, composer.files());
  if (!data) return 0;
  Bytes bytes(static_cast<size_t>(count));
  const bool is_signed = tensor.data_type == kInt4;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint8_t nibble = NibbleAt(data->bytes(), i);
    bytes[i] = is_signed && nibble >= 8 ? static_cast<uint8_t>(nibble - 16) : nibble;
  }
  return composer.Literal(is_signed ? ElementType::kInt8 : ElementType::kUint8, tensor.dims, bytes);
}

// A matrix product's weight [N, K] as MatMulNBits holds it.
struct BlockedWeight {
  size_t rows = 0;     // N
  size_t columns = 0;  // K
  size_t blocks = 0;   // of each row
  size_t block = 0;    // elements of each
  size_t bits = 0;

  uint8_t At(ByteSpan bytes, size_t index) const {
    return bits == 8 ? bytes[index] : NibbleAt(bytes, index);
  }
};

std::optional<BlockedWeight> ReadAttributes(const ProgramNode& node) {
  const int64_t rows = IntAttribute(node, "N").value_or(0);
  const int64_t columns = IntAttribute(node, "K").value_or(0);
  const int64_t block = IntAttribute(node, "block_size").value_or(0);
  const int64_t bits = IntAttribute(node, "bits").value_or(4);
  constexpr int64_t kMost = int64_t{1} << 31;
  if (rows < 1 || rows > kMost || columns < 1 || columns > kMost) return std::nullopt;
  if (block < 16 || block > kMost || (block & (block - 1)) != 0) return std::nullopt;
  if (bits != 4 && bits != 8) return std::nullopt;
  return BlockedWeight{static_cast<size_t>(rows), static_cast<size_t>(columns),
                       static_cast<size_t>(CeilOfQuotient(columns, block)),
                       static_cast<size_t>(block), static_cast<size_t>(bits)};
}

// The bytes of a constant input; none if it isn't one of this type and size.
std::optional<onnx::TensorData> ReadInput(const Composer& composer, size_t index, ElementType type,
                                          size_t bytes) {
  const onnx::Tensor* tensor = composer.Constant(index);
  if (tensor == nullptr || onnx::TypeOf(*tensor) != type) return std::nullopt;
  auto data = onnx::ReadTensorData(*tensor, composer.files());
  if (!data || data->bytes().size() != bytes) return std::nullopt;
  return *std::move(data);
}

// The weight, transposed to [K, N] and a byte an element.
Bytes Elements(const BlockedWeight& weight, ByteSpan packed) {
  Bytes bytes(weight.columns * weight.rows);
  const size_t row_length = weight.blocks * weight.block;
  for (size_t row = 0; row < weight.rows; ++row) {
    for (size_t column = 0; column < weight.columns; ++column) {
      bytes[column * weight.rows + row] = weight.At(packed, row * row_length + column);
    }
  }
  return bytes;
}

// Scales [N, blocks], four bytes each, transposed.
Bytes Scales(const BlockedWeight& weight, ByteSpan given) {
  Bytes bytes(given.size());
  for (size_t row = 0; row < weight.rows; ++row) {
    for (size_t i = 0; i < weight.blocks; ++i) {
      std::copy_n(given.begin() + static_cast<ptrdiff_t>((row * weight.blocks + i) * 4), 4,
                  bytes.begin() + static_cast<ptrdiff_t>((i * weight.rows + row) * 4));
    }
  }
  return bytes;
}

// Zero points [blocks, N]; none if they are given in a form that we don't read.
std::optional<Bytes> Zeros(const Composer& composer, const BlockedWeight& weight) {
  Bytes bytes(weight.blocks * weight.rows, static_cast<uint8_t>(1U << (weight.bits - 1)));
  if (!composer.Has(3)) return bytes;
  const size_t row_bytes = (weight.blocks * weight.bits + 7) / 8;
  const auto packed = ReadInput(composer, 3, ElementType::kUint8, weight.rows * row_bytes);
  if (!packed) return std::nullopt;
  for (size_t row = 0; row < weight.rows; ++row) {
    const ByteSpan of_row = packed->bytes().subspan(row * row_bytes, row_bytes);
    for (size_t i = 0; i < weight.blocks; ++i) {
      bytes[i * weight.rows + row] = weight.At(of_row, i);
    }
  }
  return bytes;
}

}  // namespace

// Of ai.onnx: what has bytes already needs nothing.
bool ExpandDequantizeLinear(Composer& composer) {
  constexpr std::array<std::string_view, 2> kNames = {"axis", "block_size"};
  const onnx::Tensor* x = composer.Constant(0);
  if (!IsFourBits(x)) return false;
  const ValueId elements = Unpacked(composer, *x);
  ValueId zero_point = composer.Input(2);
  if (IsFourBits(composer.Constant(2))) zero_point = Unpacked(composer, *composer.Constant(2));
  if (elements == 0 || (composer.Has(2) && zero_point == 0)) return false;
  composer.Give(0, composer.MakeOwn("DequantizeLinear", {elements, composer.Input(1), zero_point},
                                    composer.Copy(kNames)));
  return true;
}

bool ExpandMatMulNBits(Composer& composer) {
  const auto weight = ReadAttributes(composer.node());
  if (!weight || composer.Has(4)) return false;
  const size_t blocks = weight->rows * weight->blocks;
  const auto packed =
      ReadInput(composer, 1, ElementType::kUint8, blocks * (weight->block * weight->bits / 8));
  const auto scales = ReadInput(composer, 2, ElementType::kFloat, blocks * sizeof(float));
  if (!packed || !scales) return false;
  const auto zeros = Zeros(composer, *weight);
  if (!zeros) return false;
  const auto rows = static_cast<int64_t>(weight->rows);
  const std::vector<int64_t> dims = {static_cast<int64_t>(weight->blocks), rows};
  const ValueId elements =
      composer.Literal(ElementType::kUint8, {static_cast<int64_t>(weight->columns), rows},
                       Elements(*weight, packed->bytes()));
  const ValueId scale =
      composer.Literal(ElementType::kFloat, dims, Scales(*weight, scales->bytes()));
  const ValueId zero = composer.Literal(ElementType::kUint8, dims, *zeros);
  const ValueId matrix =
      composer.MakeOwn("DequantizeLinear", {elements, scale, zero},
                       {{"axis", int64_t{0}}, {"block_size", static_cast<int64_t>(weight->block)}});
  composer.Give(0, composer.AddInput(composer.Make("MatMul", {composer.Input(0), matrix}), 5));
  return true;
}

}  // namespace ephemeralml::decompose
