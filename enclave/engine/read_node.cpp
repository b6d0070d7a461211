#include "enclave/engine/read_node.h"

#include <utility>

#include "common/wire/topology.pb.h"

namespace ephemeralml::engine {
namespace {

Result<ConstantValue> ReadConstant(const wire::InlineTensor& message) {
  ConstantValue constant;
  constant.type = wire::ElementTypeFromNumber(message.type());
  constant.shape.assign(message.dims().begin(), message.dims().end());
  const Result<size_t> bytes = ByteCount(constant.type, constant.shape);
  if (!bytes.has_value() || *bytes != message.data().size()) {
    return TopologyMalformed("a constant's bytes don't match its type and shape");
  }
  const ByteSpan data = AsBytes(message.data());
  constant.bytes.assign(data.begin(), data.end());
  return constant;
}

Result<AttributeValue> ReadAttribute(const wire::Attribute& message,
                                     const PrepareSubgraph& prepare) {
  switch (message.value_case()) {
    case wire::Attribute::kF:
      return AttributeValue(message.f());
    case wire::Attribute::kI:
      return AttributeValue(int64_t{message.i()});
    case wire::Attribute::kS:
      return AttributeValue(message.s());
    case wire::Attribute::kTensor: {
      TRY(ConstantValue constant, ReadConstant(message.tensor()));
      return AttributeValue(std::move(constant));
    }
    case wire::Attribute::kGraph: {
      TRY(std::shared_ptr<const PreparedGraph> graph, prepare(message.graph()));
      return AttributeValue(std::move(graph));
    }
    case wire::Attribute::kFloats: {
      const auto& values = message.floats().values();
      return AttributeValue(std::vector<float>(values.begin(), values.end()));
    }
    case wire::Attribute::kInts: {
      const auto& values = message.ints().values();
      return AttributeValue(std::vector<int64_t>(values.begin(), values.end()));
    }
    case wire::Attribute::kStrings: {
      const auto& values = message.strings().values();
      return AttributeValue(std::vector<std::string>(values.begin(), values.end()));
    }
    case wire::Attribute::VALUE_NOT_SET:
      break;
  }
  return TopologyMalformed("attribute '" + message.name() + "' has no value");
}

}  // namespace

Error TopologyMalformed(std::string what) {
  return {Code::kMalformed, "topology_malformed", std::move(what)};
}

Result<Attributes> ReadAttributes(const wire::Node& node, const PrepareSubgraph& prepare) {
  std::vector<std::pair<std::string, AttributeValue>> values;
  values.reserve(static_cast<size_t>(node.attributes_size()));
  for (const wire::Attribute& attribute : node.attributes()) {
    TRY(AttributeValue value, ReadAttribute(attribute, prepare));
    values.emplace_back(attribute.name(), std::move(value));
  }
  Attributes attributes(std::move(values));
  if (const std::string* name = attributes.RepeatedName()) {
    return TopologyMalformed("attribute '" + *name + "' is there twice");
  }
  return attributes;
}

Result<std::map<std::string, int64_t>> ReadOperatorSets(const wire::Topology& topology) {
  std::map<std::string, int64_t> versions;
  for (const wire::OperatorSet& set : topology.operator_sets()) {
    const std::string domain = set.domain() == "ai.onnx" ? "" : set.domain();
    if (!versions.emplace(domain, int64_t{set.version()}).second) {
      return TopologyMalformed("operator domain '" + domain + "' is imported twice");
    }
  }
  return versions;
}

}  // namespace ephemeralml::engine
