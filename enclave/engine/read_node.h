#pragma once
// Reads what a node is made from, apart from its operands. Part of Prepare.

#include <functional>
#include <map>
#include <string>

#include "enclave/engine/base/attributes.h"

namespace ephemeralml::wire {
class Graph;
class Node;
class Topology;
}  // namespace ephemeralml::wire

namespace ephemeralml::engine {

/// Prepares a subgraph that stands in an attribute.
using PrepareSubgraph =
    std::function<Result<std::shared_ptr<const PreparedGraph>>(const wire::Graph&)>;

/// Errors: kMalformed `topology_malformed` (an attribute twice, without a value, or a constant
/// whose bytes don't match its shape), those of `prepare`.
Result<Attributes> ReadAttributes(const wire::Node& node, const PrepareSubgraph& prepare);

/// The version of each imported domain, "" for ai.onnx. Errors: kMalformed `topology_malformed`.
Result<std::map<std::string, int64_t>> ReadOperatorSets(const wire::Topology& topology);

/// kMalformed `topology_malformed`.
Error TopologyMalformed(std::string what);

}  // namespace ephemeralml::engine
