#include "client/decompose/inspect.h"

#include <algorithm>
#include <climits>

#include "common/base/checked.h"
#include "common/wire/topology.pb.h"
#include "common/wire/topology_format.h"
#include "common/wire/wiped_secret.h"

namespace ephemeralml::decompose {
namespace {

Error Malformed() {
  return {Code::kMalformed, "topology_malformed", "this is not the content of a topology key"};
}

void CountOperators(const wire::Graph& graph, std::map<std::string, size_t>& counts) {
  for (const wire::Node& node : graph.nodes()) {
    ++counts[node.domain().empty() ? node.operator_() : node.domain() + "::" + node.operator_()];
    for (const wire::Attribute& attribute : node.attributes()) {
      if (attribute.has_graph()) CountOperators(attribute.graph(), counts);
    }
  }
}

InspectedValue ReadValue(const wire::Value& message) {
  InspectedValue value;
  value.name = message.name();
  value.type = wire::ElementTypeFromNumber(message.type());
  value.has_shape = message.has_shape();
  for (const wire::Dimension& dimension : message.shape()) {
    value.shape.push_back({dimension.size(), dimension.symbol()});
  }
  return value;
}

Result<uint64_t> ByteCount(const wire::Weight& weight) {
  uint64_t bytes = wire::ElementBytes(wire::ElementTypeFromNumber(weight.type()));
  for (const int64_t dim : weight.dims()) {
    if (dim < 0) return Malformed();
    TRY(bytes, CheckedMultiply(bytes, static_cast<uint64_t>(dim)));
  }
  return bytes;
}

Done ReadWeights(const wire::Topology& topology, Inspection& inspection) {
  for (const wire::Weight& weight : topology.weights()) {
    if (!weight.inline_data().empty()) {
      ++inspection.inline_constants;
      continue;
    }
    const auto bytes = ByteCount(weight);
    if (!bytes) return Malformed();
    ++inspection.sealed_weights;
    inspection.sealed_weight_bytes += *bytes;
  }
  return {};
}

Result<Inspection> Read(const wire::Topology& topology) {
  Inspection inspection;
  if (topology.format_version() != wire::kTopologyFormatVersion ||
      topology.blob().id().size() != wire::BlobId::kSize) {
    return Malformed();
  }
  for (const wire::OperatorSet& set : topology.operator_sets()) {
    inspection.operator_sets[set.domain()] = set.version();
  }
  CountOperators(topology.graph(), inspection.operators);
  for (const wire::Value& value : topology.graph().inputs()) {
    inspection.inputs.push_back(ReadValue(value));
  }
  for (const wire::Value& value : topology.graph().outputs()) {
    inspection.outputs.push_back(ReadValue(value));
  }
  TRY_OK(ReadWeights(topology, inspection));
  std::ranges::copy(AsBytes(topology.blob().id()), inspection.blob_id.begin());
  inspection.chunks = topology.blob().chunk_count();
  inspection.chunk_bytes = topology.blob().chunk_bytes();
  return inspection;
}

}  // namespace

Result<Inspection> Inspect(const SecretBytes& topology_message) {
  const ByteSpan bytes = topology_message.Reveal();
  wire::Topology topology;
  const wire::WipedSecret wiped(topology);
  if (bytes.size() > INT_MAX ||
      !topology.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed();
  }
  return Read(topology);
}

}  // namespace ephemeralml::decompose
