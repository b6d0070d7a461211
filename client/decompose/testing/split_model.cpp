#include "client/decompose/testing/split_model.h"

#include <algorithm>
#include <vector>

#include "common/crypto/blob_cipher.h"
#include "common/wire/data_type.h"

namespace ephemeralml::decompose::testing {
namespace {

void CollectNodes(const wire::Graph& graph, std::string_view op,
                  std::vector<const wire::Node*>& found) {
  for (const wire::Node& node : graph.nodes()) {
    if (node.operator_() == op) found.push_back(&node);
    for (const wire::Attribute& attribute : node.attributes()) {
      if (attribute.has_graph()) CollectNodes(attribute.graph(), op, found);
    }
  }
}

// The inverse of column panels, written from the format's description.
Bytes RowMajor(const wire::Weight& weight, ByteSpan panels, size_t width) {
  const auto rows = static_cast<size_t>(weight.dims(0));
  const auto columns = static_cast<size_t>(weight.dims(1));
  Bytes out(panels.size());
  for (size_t begin = 0; begin < columns; begin += weight.panel_extent()) {
    const size_t count = std::min<size_t>(weight.panel_extent(), columns - begin);
    for (size_t row = 0; row < rows; ++row) {
      const ByteSpan piece = panels.subspan((begin * rows + row * count) * width, count * width);
      std::ranges::copy(piece,
                        out.begin() + static_cast<ptrdiff_t>((row * columns + begin) * width));
    }
  }
  return out;
}

}  // namespace

Result<SplitModel> Split(ByteSpan model, const DecomposeOptions& options) {
  SplitModel split;
  const auto sink = [&](ByteSpan sealed) -> Done {
    AppendBytes(split.blob, sealed);
    return {};
  };
  TRY(split.report, DecomposeBytes(model, sink, {}, options));
  const ByteSpan message = split.report.topology_message.Reveal();
  CHECK(split.topology.ParseFromArray(message.data(), static_cast<int>(message.size())));
  return split;
}

Bytes SplitModel::Plaintext() const {
  const wire::Blob& description = topology.blob();
  wire::BlobId id;
  CHECK(description.id().size() == id.size());
  std::ranges::copy(AsBytes(description.id()), id.begin());
  const auto secret = SecretBytes::CopyOf(AsBytes(description.secret()));
  const auto cipher =
      crypto::BlobCipher::Create(secret, id, description.chunk_count(), description.chunk_bytes());
  CHECK(cipher.has_value());
  const size_t sealed_bytes = (*cipher)->sealed_chunk_bytes();
  CHECK(blob.size() == sealed_bytes * description.chunk_count());
  Bytes plaintext(description.chunk_count() * description.chunk_bytes());
  for (size_t i = 0; i < description.chunk_count(); ++i) {
    const auto opened =
        (*cipher)->Open(wire::ChunkIndex(i), ByteSpan(blob).subspan(i * sealed_bytes, sealed_bytes),
                        MutableByteSpan(plaintext).subspan(i * description.chunk_bytes(),
                                                           description.chunk_bytes()));
    CHECK(opened.has_value());
  }
  return plaintext;
}

const wire::Weight* SplitModel::FindWeight(uint32_t value) const {
  const auto found = std::ranges::find(topology.weights(), value, &wire::Weight::value);
  return found == topology.weights().end() ? nullptr : &*found;
}

Bytes SplitModel::WeightOf(uint32_t value) const {
  const wire::Weight* weight = FindWeight(value);
  CHECK(weight != nullptr);
  if (!weight->inline_data().empty()) {
    const ByteSpan data = AsBytes(weight->inline_data());
    return Bytes(data.begin(), data.end());
  }
  const size_t width = wire::ElementBytes(wire::ElementTypeFromNumber(weight->type()));
  size_t bytes = width;
  for (const int64_t dim : weight->dims()) bytes *= static_cast<size_t>(dim);
  const Bytes plaintext = Plaintext();
  CHECK(weight->offset() + bytes <= plaintext.size());
  const ByteSpan stored = ByteSpan(plaintext).subspan(weight->offset(), bytes);
  if (weight->layout() == wire::COLUMN_PANELS) return RowMajor(*weight, stored, width);
  return Bytes(stored.begin(), stored.end());
}

const wire::Node& SplitModel::NodeOf(std::string_view op) const {
  std::vector<const wire::Node*> found;
  CollectNodes(topology.graph(), op, found);
  CHECK(found.size() == 1);
  return *found.front();
}

}  // namespace ephemeralml::decompose::testing
