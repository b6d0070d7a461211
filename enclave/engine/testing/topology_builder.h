#pragma once
// Topologies written by hand, for tests: graphs, and weights that are really sealed.

#include <string>
#include <vector>

#include "common/wire/topology.pb.h"
#include "enclave/engine/base/tensor.h"
#include "enclave/weights/testing/test_blob.h"

namespace ephemeralml::engine::testing {

wire::Value MakeValue(uint32_t id, const std::string& name, ElementType type,
                      const std::vector<int64_t>& shape);
/// Appends a node to a graph; attributes are added to what is returned.
wire::Node* AddNode(wire::Graph& graph, const std::string& op, const std::vector<uint32_t>& inputs,
                    const std::vector<uint32_t>& outputs);
wire::Graph* AddSubgraph(wire::Node& node, const std::string& attribute);

class TopologyBuilder {
 public:
  TopologyBuilder();

  wire::Topology& topology() { return topology_; }
  wire::Graph& graph() { return *topology_.mutable_graph(); }

  TopologyBuilder& Input(uint32_t id, const std::string& name, const std::vector<int64_t>& shape,
                         ElementType type = ElementType::kFloat);
  TopologyBuilder& Output(uint32_t id, const std::string& name);
  /// A float32 weight in the blob.
  TopologyBuilder& Weight(uint32_t id, const std::vector<int64_t>& shape,
                          const std::vector<float>& values, wire::Layout layout = wire::ROW_PANELS,
                          uint64_t panel_extent = 0);
  /// A float32 constant in the topology.
  TopologyBuilder& Constant(uint32_t id, const std::vector<int64_t>& shape,
                            const std::vector<float>& values);

  /// Seals the weights added so far and notes the blob in the topology. Call once, last.
  weights::testing::TestBlob& Seal();

 private:
  wire::Topology topology_;
  weights::testing::TestBlob blob_;
};

}  // namespace ephemeralml::engine::testing
