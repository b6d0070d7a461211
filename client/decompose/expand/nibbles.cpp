// Weights of four bits: they are constants, and their elements are given a byte each here, so that
// the engine needs no type for them.

#include <algorithm>
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

// Element `index` of nibbles, the lower half of a byte first.
uint8_t NibbleAt(ByteSpan bytes, size_t index) {
  return static_cast<uint8_t>((bytes[index / 2] >> (index % 2 * 4)) & 0xF);
}

// A byte for each of `count` nibbles.
Bytes BytesOf(ByteSpan nibbles, size_t count, bool is_signed) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t nibble = NibbleAt(nibbles, i);
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

// True if the input is a constant of this type and size.
bool IsReadable(const Composer& composer, size_t index, ElementType type, size_t bytes) {
  const onnx::Tensor* tensor = composer.Constant(index);
  if (tensor == nullptr || onnx::TypeOf(*tensor) != type) return false;
  const auto data = onnx::ReadTensorData(*tensor, composer.files());
  return data && data->bytes().size() == bytes;
}

// The weight, transposed to [K, N] and a byte an element.
Bytes Elements(const BlockedWeight& weight, ByteSpan packed) {
  constexpr size_t kTile = 64;  // rows whose lines of the result stay in the processor's cache
  Bytes bytes(weight.columns * weight.rows);
  const size_t row_length = weight.blocks * weight.block;
  const size_t shift = weight.bits == 4 ? 1 : 0;
  for (size_t first = 0; first < weight.rows; first += kTile) {
    const size_t last = std::min(first + kTile, weight.rows);
    for (size_t column = 0; column < weight.columns; ++column) {
      uint8_t* target = bytes.data() + column * weight.rows;
      const uint8_t* source = packed.data() + (column >> shift);
      const int half = weight.bits == 4 && column % 2 != 0 ? 4 : 0;
      const uint8_t mask = weight.bits == 4 ? 0xF : 0xFF;
      for (size_t row = first; row < last; ++row) {
        target[row] = static_cast<uint8_t>(source[(row * row_length) >> shift] >> half) & mask;
      }
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

// Bytes of a row's zero points.
size_t ZeroBytes(const BlockedWeight& weight) { return (weight.blocks * weight.bits + 7) / 8; }

// Zero points [blocks, N] from [N, blocks].
Bytes Zeros(const BlockedWeight& weight, ByteSpan packed) {
  Bytes bytes(weight.blocks * weight.rows);
  for (size_t row = 0; row < weight.rows; ++row) {
    const ByteSpan of_row = packed.subspan(row * ZeroBytes(weight), ZeroBytes(weight));
    for (size_t i = 0; i < weight.blocks; ++i) {
      bytes[i * weight.rows + row] = weight.At(of_row, i);
    }
  }
  return bytes;
}

// Zero points that aren't given lie in the middle.
Bytes MiddleZeros(const BlockedWeight& weight) {
  return Bytes(weight.blocks * weight.rows, static_cast<uint8_t>(1U << (weight.bits - 1)));
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

bool ExpandMatMulNBits(Composer& composer) {
  const auto weight = ReadAttributes(composer.node());
  if (!weight || composer.Has(4)) return false;
  const size_t blocks = weight->rows * weight->blocks;
  const bool has_zeros = composer.Has(3);
  if (!IsReadable(composer, 1, ElementType::kUint8, blocks * (weight->block * weight->bits / 8)) ||
      !IsReadable(composer, 2, ElementType::kFloat, blocks * sizeof(float)) ||
      (has_zeros &&
       !IsReadable(composer, 3, ElementType::kUint8, weight->rows * ZeroBytes(*weight)))) {
    return false;
  }
  const auto rows = static_cast<int64_t>(weight->rows);
  const std::vector<int64_t> dims = {static_cast<int64_t>(weight->blocks), rows};
  const auto derive = [&](size_t input, auto convert) -> onnx::Derivation {
    return {*composer.Constant(input),
            [weight = *weight, convert](ByteSpan source) { return convert(weight, source); }};
  };
  const ValueId elements = composer.Derived(
      ElementType::kUint8, {static_cast<int64_t>(weight->columns), rows}, derive(1, Elements));
  const ValueId scale = composer.Derived(ElementType::kFloat, dims, derive(2, Scales));
  const ValueId zero =
      has_zeros ? composer.Derived(ElementType::kUint8, dims, derive(3, Zeros))
                : composer.Derived(ElementType::kUint8, dims,
                                   {*composer.Constant(2),
                                    [weight = *weight](ByteSpan) { return MiddleZeros(weight); }});
  const ValueId matrix =
      composer.MakeOwn("DequantizeLinear", {elements, scale, zero},
                       {{"axis", int64_t{0}}, {"block_size", static_cast<int64_t>(weight->block)}});
  composer.Give(0, composer.AddInput(composer.Make("MatMul", {composer.Input(0), matrix}), 5));
  return true;
}

}  // namespace ephemeralml::decompose
