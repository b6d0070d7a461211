// Weights whose elements of few bits share a scale block by block: matrices of products, and tables
// that rows are looked up in. They are constants, and get a byte an element here.

#include <algorithm>

#include "client/decompose/expand/rules.h"
#include "client/decompose/onnx/tensor_data.h"

namespace ephemeralml::decompose {
namespace {

using wire::ElementType;

constexpr int64_t kMostElements = int64_t{1} << 31;  // of an axis
constexpr int64_t kLeastBlock = 16;

// Element `index` of elements of `bits` bits, which divide eight: the lowest of a byte first.
uint8_t PackedElement(ByteSpan bytes, size_t index, size_t bits) {
  const size_t each = 8 / bits;
  const auto mask = static_cast<uint8_t>((1U << bits) - 1);
  return static_cast<uint8_t>((bytes[index / each] >> (index % each * bits)) & mask);
}

int64_t CeilOfQuotient(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

bool IsBlock(int64_t size) {
  return size >= kLeastBlock && size <= kMostElements && (size & (size - 1)) == 0;
}

// A matrix product's weight [N, K] as MatMulNBits holds it.
struct BlockedWeight {
  size_t rows = 0;     // N
  size_t columns = 0;  // K
  size_t blocks = 0;   // of each row
  size_t block = 0;    // elements of each
  size_t bits = 0;
};

std::optional<BlockedWeight> ReadAttributes(const ProgramNode& node) {
  const int64_t rows = IntAttribute(node, "N").value_or(0);
  const int64_t columns = IntAttribute(node, "K").value_or(0);
  const int64_t block = IntAttribute(node, "block_size").value_or(0);
  const int64_t bits = IntAttribute(node, "bits").value_or(4);
  if (rows < 1 || rows > kMostElements || columns < 1 || columns > kMostElements) {
    return std::nullopt;
  }
  if (!IsBlock(block) || (bits != 2 && bits != 4 && bits != 8)) return std::nullopt;
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
  const size_t each = 8 / weight.bits;
  const size_t row_bytes = weight.blocks * weight.block / each;
  const auto mask = static_cast<uint8_t>((1U << weight.bits) - 1);
  for (size_t first = 0; first < weight.rows; first += kTile) {
    const size_t last = std::min(first + kTile, weight.rows);
    for (size_t column = 0; column < weight.columns; ++column) {
      uint8_t* target = bytes.data() + column * weight.rows;
      const uint8_t* source = packed.data() + column / each;
      const size_t shift = column % each * weight.bits;
      for (size_t row = first; row < last; ++row) {
        target[row] = static_cast<uint8_t>((source[row * row_bytes] >> shift) & mask);
      }
    }
  }
  return bytes;
}

// Scales [N, blocks] of `width` bytes each, transposed.
Bytes Scales(const BlockedWeight& weight, size_t width, ByteSpan given) {
  Bytes bytes(given.size());
  for (size_t row = 0; row < weight.rows; ++row) {
    for (size_t i = 0; i < weight.blocks; ++i) {
      std::copy_n(given.data() + (row * weight.blocks + i) * width, width,
                  bytes.data() + (i * weight.rows + row) * width);
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
      bytes[i * weight.rows + row] = PackedElement(of_row, i, weight.bits);
    }
  }
  return bytes;
}

// Zero points that aren't given lie in the middle.
Bytes MiddleZeros(size_t count, size_t bits) {
  Bytes zeros(count, static_cast<uint8_t>(1U << (bits - 1)));
  return zeros;
}

ValueId CastTo(Composer& composer, ValueId value, ElementType type) {
  return composer.Make("Cast", {value}, {{"to", static_cast<int64_t>(type)}});
}

// The matrix [K, N] that MatMulNBits's weight stands for, in float32; 0 if it isn't one.
ValueId MatrixOf(Composer& composer, const BlockedWeight& weight, ElementType scale_type) {
  const size_t blocks = weight.rows * weight.blocks;
  const size_t width = wire::ElementBytes(scale_type);
  const bool has_zeros = composer.Has(3);
  if (!IsReadable(composer, 1, ElementType::kUint8, blocks * (weight.block * weight.bits / 8)) ||
      !IsReadable(composer, 2, scale_type, blocks * width) ||
      (has_zeros &&
       !IsReadable(composer, 3, ElementType::kUint8, weight.rows * ZeroBytes(weight)))) {
    return 0;
  }
  const auto rows = static_cast<int64_t>(weight.rows);
  const std::vector<int64_t> dims = {static_cast<int64_t>(weight.blocks), rows};
  const ValueId elements = composer.Derived(
      ElementType::kUint8, {static_cast<int64_t>(weight.columns), rows},
      {*composer.Constant(1), [weight](ByteSpan source) { return Elements(weight, source); }});
  ValueId scale =
      composer.Derived(scale_type, dims, {*composer.Constant(2), [weight, width](ByteSpan source) {
                                            return Scales(weight, width, source);
                                          }});
  if (scale_type != ElementType::kFloat) scale = CastTo(composer, scale, ElementType::kFloat);
  const ValueId zero = composer.Derived(
      ElementType::kUint8, dims,
      {*composer.Constant(has_zeros ? 3 : 2), [weight, has_zeros](ByteSpan source) {
         return has_zeros ? Zeros(weight, source)
                          : MiddleZeros(weight.rows * weight.blocks, weight.bits);
       }});
  return composer.MakeOwn(
      "DequantizeLinear", {elements, scale, zero},
      {{"axis", int64_t{0}}, {"block_size", static_cast<int64_t>(weight.block)}});
}

// A table [rows..., columns] of which GatherBlockQuantized looks rows up.
struct BlockedTable {
  std::vector<int64_t> dims;    // of its elements
  std::vector<int64_t> blocks;  // of its scales
  size_t bits = 0;
  bool is_packed = false;  // several elements in a byte of uint8
  int64_t block = 0;

  size_t rows() const {
    size_t count = 1;
    for (size_t i = 0; i + 1 < dims.size(); ++i) count *= static_cast<size_t>(dims[i]);
    return count;
  }
};

std::optional<BlockedTable> ReadTable(const Composer& composer) {
  const ProgramNode& node = composer.node();
  const onnx::Tensor* data = composer.Constant(0);
  const onnx::Tensor* scales = composer.Constant(2);
  if (data == nullptr || scales == nullptr || data->dims.size() < 2) return std::nullopt;
  BlockedTable table;
  table.dims = data->dims;
  table.blocks = scales->dims;
  table.block = IntAttribute(node, "block_size").value_or(128);
  const auto rank = static_cast<int64_t>(table.dims.size());
  const int64_t axis = IntAttribute(node, "gather_axis").value_or(0);
  const int64_t quantized = IntAttribute(node, "quantize_axis").value_or(1);
  const int64_t bits = IntAttribute(node, "bits").value_or(4);
  if ((axis != 0 && axis != -rank) || (quantized != rank - 1 && quantized != -1)) {
    return std::nullopt;
  }
  if (!IsBlock(table.block) || (bits != 2 && bits != 4 && bits != 8)) return std::nullopt;
  table.bits = static_cast<size_t>(bits);
  table.is_packed = onnx::TypeOf(*data) == ElementType::kUint8 && bits < 8;
  if (table.is_packed) table.dims.back() *= 8 / bits;
  std::vector<int64_t> wanted = table.dims;
  wanted.back() = CeilOfQuotient(wanted.back(), table.block);
  if (table.blocks != wanted ||
      std::ranges::any_of(table.dims, [](int64_t dim) { return dim < 0 || dim > kMostElements; })) {
    return std::nullopt;
  }
  return table;
}

// Rows of packed elements, each in whole bytes, as `columns` bytes a row.
Bytes UnpackedRows(ByteSpan packed, size_t rows, size_t columns, size_t bits) {
  Bytes bytes(rows * columns);
  const size_t row_bytes = (columns * bits + 7) / 8;
  for (size_t row = 0; row < rows; ++row) {
    const ByteSpan of_row = packed.subspan(row * row_bytes, row_bytes);
    for (size_t i = 0; i < columns; ++i) {
      bytes[row * columns + i] = PackedElement(of_row, i, bits);
    }
  }
  return bytes;
}

// An input's elements [rows..., columns], a byte each; 0 if it can't be read.
ValueId TableElements(Composer& composer, const BlockedTable& table, size_t index,
                      const std::vector<int64_t>& dims) {
  if (!table.is_packed) {
    const onnx::Tensor* tensor = composer.Constant(index);
    const ElementType type = tensor == nullptr ? ElementType::kUndefined : onnx::TypeOf(*tensor);
    const bool is_known =
        type == ElementType::kUint8 || type == ElementType::kInt4 || type == ElementType::kUint4;
    return is_known && tensor->dims == dims ? composer.Input(index) : 0;
  }
  const size_t rows = table.rows();
  const auto columns = static_cast<size_t>(dims.back());
  const size_t bits = table.bits;
  if (!IsReadable(composer, index, ElementType::kUint8, rows * ((columns * bits + 7) / 8))) {
    return 0;
  }
  return composer.Derived(ElementType::kUint8, dims,
                          {*composer.Constant(index), [rows, columns, bits](ByteSpan packed) {
                             return UnpackedRows(packed, rows, columns, bits);
                           }});
}

}  // namespace

bool ExpandMatMulNBits(Composer& composer) {
  const auto weight = ReadAttributes(composer.node());
  const onnx::Tensor* scales = composer.Constant(2);
  if (!weight || composer.Has(4) || scales == nullptr) return false;
  const ElementType type = onnx::TypeOf(*scales);
  if (type != ElementType::kFloat && type != ElementType::kFloat16 &&
      type != ElementType::kBfloat16) {
    return false;
  }
  const ValueId matrix = MatrixOf(composer, *weight, type);
  if (matrix == 0) return false;
  const bool is_narrow = type != ElementType::kFloat;
  // Halves are multiplied as floats and rounded once, as elsewhere.
  ValueId a = composer.Input(0);
  if (is_narrow) a = CastTo(composer, a, ElementType::kFloat);
  ValueId product = composer.Make("MatMul", {a, matrix});
  if (is_narrow && composer.Has(5)) {
    const ValueId bias = CastTo(composer, composer.Input(5), ElementType::kFloat);
    product = composer.Make("Add", {product, bias});
  } else {
    product = composer.AddInput(product, 5);
  }
  composer.Give(0, is_narrow ? CastTo(composer, product, type) : product);
  return true;
}

// Rows are looked up first and scaled then: of a large table few are opened.
bool ExpandGatherBlockQuantized(Composer& composer) {
  const auto table = ReadTable(composer);
  if (!table) return false;
  const ValueId elements = TableElements(composer, *table, 0, table->dims);
  if (elements == 0) return false;
  ValueId zeros = 0;
  const bool is_byte = onnx::TypeOf(*composer.Constant(0)) == ElementType::kUint8;
  if (composer.Has(3)) {
    zeros = TableElements(composer, *table, 3, table->blocks);
    if (zeros == 0) return false;
  } else if (is_byte) {
    const size_t count = table->rows() * static_cast<size_t>(table->blocks.back());
    zeros = composer.Derived(ElementType::kUint8, table->blocks,
                             {*composer.Constant(2), [count, bits = table->bits](ByteSpan) {
                                return MiddleZeros(count, bits);
                              }});
  }
  const auto rows = [&](ValueId of) {
    return of == 0 ? 0 : composer.Make("Gather", {of, composer.Input(1)}, {{"axis", int64_t{0}}});
  };
  composer.Give(0, composer.MakeOwn("DequantizeLinear",
                                    {rows(elements), rows(composer.Input(2)), rows(zeros)},
                                    {{"axis", int64_t{-1}}, {"block_size", table->block}}));
  return true;
}

}  // namespace ephemeralml::decompose
