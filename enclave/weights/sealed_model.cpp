#include "enclave/weights/sealed_model.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "common/base/checked.h"
#include "common/wire/blob_format.h"
#include "common/wire/topology.pb.h"
#include "enclave/weights/expand_half.h"

namespace ephemeralml::weights {
namespace {

constexpr int kMostWeights = 1'000'000;
constexpr int kMostDimensions = 32;

Error Malformed(const std::string& what) { return {Code::kMalformed, "topology_malformed", what}; }

// Bytes of a tensor of these dimensions, zeros counting as ones: strides must be countable too.
Result<uint64_t> Footprint(const WeightInfo& weight) {
  uint64_t bytes = wire::ElementBytes(weight.type);
  if (bytes == 0) return Malformed("has a type without a fixed width");
  for (const int64_t dim : weight.shape) {
    if (dim < 0) return Malformed("has a negative dimension");
    const auto product = CheckedMultiply(bytes, std::max<uint64_t>(static_cast<uint64_t>(dim), 1));
    if (!product.has_value()) return Malformed("is larger than any memory");
    bytes = *product;
  }
  return bytes;
}

Result<uint64_t> PlaintextBytes(const wire::Blob& blob) {
  if (blob.chunk_bytes() > wire::kLargestChunkBytes || blob.chunk_count() > wire::kMostChunks) {
    return Malformed("the blob's chunks are too large or too many");
  }
  // Elements mustn't straddle chunks.
  if (blob.chunk_bytes() % wire::kWeightAlignment != 0) {
    return Malformed("the blob's chunks aren't aligned");
  }
  return blob.chunk_count() * blob.chunk_bytes();
}

Done CheckPlace(const WeightInfo& weight, uint64_t plaintext_bytes) {
  if (!IsPacked(weight.layout) && weight.panel_extent == 0)
    return Malformed("has panels of no rows");
  if (weight.offset % wire::kWeightAlignment != 0) return Malformed("isn't aligned");
  if (weight.byte_count > plaintext_bytes || weight.offset > plaintext_bytes - weight.byte_count) {
    return Malformed("runs past the blob's end");
  }
  if (weight.layout == PanelLayout::kColumns && weight.shape.size() != 2) {
    return Malformed("is cut into columns and isn't a matrix");
  }
  return {};
}

std::optional<PanelLayout> LayoutOf(wire::Layout layout) {
  switch (layout) {
    case wire::ROW_PANELS:
      return PanelLayout::kRows;
    case wire::COLUMN_PANELS:
      return PanelLayout::kColumns;
    case wire::MATRIX_PANELS:
      return PanelLayout::kMatrixPanels;
    case wire::CONV_PANELS:
      return PanelLayout::kConvPanels;
    case wire::DEPTHWISE_PANELS:
      return PanelLayout::kDepthwisePanels;
    case wire::MATRIX_PAIRS:
      return PanelLayout::kMatrixPairs;
    default:
      return std::nullopt;
  }
}

// The dimensions' product is known not to overflow, zeros counting as ones.
Done ReadPackedShape(const wire::Weight& message, WeightInfo& weight) {
  const auto dim = [&](size_t i) { return static_cast<uint64_t>(weight.shape[i]); };
  const bool is_paired = weight.layout == PanelLayout::kMatrixPairs;
  const bool is_matrix = is_paired || weight.layout == PanelLayout::kMatrixPanels;
  if (is_paired && weight.storage != wire::ElementType::kBfloat16) {
    return Malformed("is packed as pairs of bfloat16 and isn't of that type");
  }
  if (weight.storage != wire::ElementType::kFloat && !IsHalf(weight.storage)) {
    return Malformed("is packed and isn't of a floating-point type that is packed");
  }
  weight.type = wire::ElementType::kFloat;
  if (weight.shape.size() != (is_matrix ? 2 : 4)) return Malformed("is packed with a wrong rank");
  if (weight.layout == PanelLayout::kDepthwisePanels && dim(1) != 1) {
    return Malformed("is packed as filters of one channel and has more");
  }
  weight.packed.columns = dim(is_matrix ? 1 : 0);
  weight.packed.steps = is_matrix ? dim(0) : dim(1) * dim(2) * dim(3);
  if (is_paired) {
    weight.packed.steps = (weight.packed.steps + 1) / 2;
    weight.storage = wire::ElementType::kUint32;
  }
  weight.packed.has_bias = message.has_bias();
  const uint64_t columns = (weight.packed.columns + wire::kLaneColumns - 1);
  TRY(const uint64_t elements, CheckedMultiply(columns, weight.packed.rows()));
  TRY_OK(CheckedMultiply<uint64_t>(elements, sizeof(float)));
  weight.byte_count =
      weight.packed.OffsetOf(weight.packed.panel_count()) * wire::ElementBytes(weight.storage);
  return {};
}

Result<std::variant<WeightInfo, InlineConstant>> ReadWeight(const wire::Weight& message,
                                                            uint64_t plaintext_bytes) {
  if (message.dims_size() > kMostDimensions) return Malformed("has too many dimensions");
  const std::optional<PanelLayout> layout = LayoutOf(message.layout());
  if (!layout.has_value()) return Malformed("has an unknown layout");
  WeightInfo weight;
  weight.type = wire::ElementTypeFromNumber(message.type());
  weight.storage = weight.type;
  weight.shape.assign(message.dims().begin(), message.dims().end());
  weight.layout = *layout;
  weight.offset = message.offset();
  weight.panel_extent = message.panel_extent();
  TRY(weight.byte_count, Footprint(weight));
  for (const int64_t dim : weight.shape) {
    if (dim == 0) weight.byte_count = 0;
  }
  if (!message.inline_data().empty() || weight.byte_count == 0) {
    // As row-major elements, which a packed weight's aren't.
    if (IsPacked(weight.layout) && weight.byte_count != 0) {
      return Malformed("is packed and has inline data");
    }
    if (message.inline_data().size() != weight.byte_count) {
      return Malformed("has inline data of another size than its shape's");
    }
    const ByteSpan data = AsBytes(message.inline_data());
    return InlineConstant{weight.type, std::move(weight.shape), Bytes(data.begin(), data.end())};
  }
  if (IsPacked(weight.layout)) TRY_OK(ReadPackedShape(message, weight));
  TRY_OK(CheckPlace(weight, plaintext_bytes));
  return weight;
}

}  // namespace

Result<WeightTable> ReadWeights(const wire::Topology& topology) {
  if (topology.weights_size() > kMostWeights) return Malformed("there are too many weights");
  TRY(const uint64_t plaintext_bytes, PlaintextBytes(topology.blob()));
  WeightTable table;
  table.reserve(static_cast<size_t>(topology.weights_size()));
  for (const wire::Weight& message : topology.weights()) {
    if (message.value() == 0) return Malformed("a weight has no value id");
    auto weight = ReadWeight(message, plaintext_bytes);
    if (!weight.has_value()) {
      return Malformed("weight of value " + std::to_string(message.value()) + " " +
                       weight.error().what);
    }
    table.emplace_back(message.value(), *std::move(weight));
  }
  const auto id_of = [](const auto& entry) { return entry.first; };
  std::ranges::sort(table, {}, id_of);
  const auto repeated = std::ranges::adjacent_find(table, {}, id_of);
  if (repeated != table.end()) {
    return Malformed("value " + std::to_string(repeated->first) + " has two weights");
  }
  return table;
}

}  // namespace ephemeralml::weights
