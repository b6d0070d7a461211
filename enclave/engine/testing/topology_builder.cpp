#include "enclave/engine/testing/topology_builder.h"

#include "common/wire/topology_format.h"

namespace ephemeralml::engine::testing {
namespace {

wire::DataType Number(ElementType type) {
  return static_cast<wire::DataType>(static_cast<int>(type));
}

ByteSpan AsBytes(const std::vector<float>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

wire::Value MakeValue(uint32_t id, const std::string& name, ElementType type,
                      const std::vector<int64_t>& shape) {
  wire::Value value;
  value.set_id(id);
  value.set_name(name);
  value.set_type(Number(type));
  value.set_has_shape(true);
  for (const int64_t size : shape) value.add_shape()->set_size(size);
  return value;
}

wire::Node* AddNode(wire::Graph& graph, const std::string& op, const std::vector<uint32_t>& inputs,
                    const std::vector<uint32_t>& outputs) {
  wire::Node* node = graph.add_nodes();
  node->set_operator_(op);
  for (const uint32_t id : inputs) node->add_inputs(id);
  for (const uint32_t id : outputs) node->add_outputs(id);
  return node;
}

wire::Graph* AddSubgraph(wire::Node& node, const std::string& attribute) {
  wire::Attribute* added = node.add_attributes();
  added->set_name(attribute);
  return added->mutable_graph();
}

TopologyBuilder::TopologyBuilder() {
  topology_.set_format_version(wire::kTopologyFormatVersion);
  topology_.add_operator_sets()->set_version(17);
}

TopologyBuilder& TopologyBuilder::Input(uint32_t id, const std::string& name,
                                        const std::vector<int64_t>& shape, ElementType type) {
  *graph().add_inputs() = MakeValue(id, name, type, shape);
  return *this;
}

TopologyBuilder& TopologyBuilder::Output(uint32_t id, const std::string& name) {
  wire::Value* output = graph().add_outputs();
  output->set_id(id);
  output->set_name(name);
  return *this;
}

TopologyBuilder& TopologyBuilder::Weight(uint32_t id, const std::vector<int64_t>& shape,
                                         const std::vector<float>& values, wire::Layout layout,
                                         uint64_t panel_extent) {
  const weights::WeightInfo info = blob_.Add(
      ElementType::kFloat, shape, AsBytes(values),
      layout == wire::ROW_PANELS ? weights::PanelLayout::kRows : weights::PanelLayout::kColumns,
      panel_extent);
  wire::Weight* weight = topology_.add_weights();
  weight->set_value(id);
  weight->set_type(wire::FLOAT);
  for (const int64_t dim : shape) weight->add_dims(dim);
  weight->set_layout(layout);
  weight->set_offset(info.offset);
  weight->set_panel_extent(info.panel_extent);
  return *this;
}

TopologyBuilder& TopologyBuilder::Constant(uint32_t id, const std::vector<int64_t>& shape,
                                           const std::vector<float>& values) {
  wire::Weight* weight = topology_.add_weights();
  weight->set_value(id);
  weight->set_type(wire::FLOAT);
  for (const int64_t dim : shape) weight->add_dims(dim);
  weight->set_inline_data(std::string(ephemeralml::AsText(AsBytes(values))));
  return *this;
}

weights::testing::TestBlob& TopologyBuilder::Seal() {
  blob_.Seal();
  wire::Blob& blob = *topology_.mutable_blob();
  blob.set_chunk_count(blob_.chunk_count());
  blob.set_chunk_bytes(blob_.chunk_bytes());
  blob.set_id(std::string(ephemeralml::AsText(blob_.id())));
  blob.set_secret(std::string(32, static_cast<char>(weights::testing::TestBlob::kSecretByte)));
  return blob_;
}

}  // namespace ephemeralml::engine::testing
