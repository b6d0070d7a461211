#include "client/decompose/topology_message.h"

#include <set>

#include "client/decompose/onnx/tensor_data.h"
#include "common/wire/frame.h"
#include "common/wire/topology.pb.h"
#include "common/wire/topology_format.h"
#include "common/wire/wiped_secret.h"

namespace ephemeralml::decompose {
namespace {

wire::Layout LayoutOf(PanelLayout layout) {
  switch (layout) {
    case PanelLayout::kRows:
      return wire::ROW_PANELS;
    case PanelLayout::kColumns:
      return wire::COLUMN_PANELS;
    case PanelLayout::kMatrixPanels:
      return wire::MATRIX_PANELS;
    case PanelLayout::kConvPanels:
      return wire::CONV_PANELS;
    case PanelLayout::kDepthwisePanels:
      return wire::DEPTHWISE_PANELS;
    case PanelLayout::kMatrixPairs:
      return wire::MATRIX_PAIRS;
  }
  return wire::ROW_PANELS;
}

class TopologyWriter {
 public:
  TopologyWriter(onnx::ExternalFiles& files, wire::Topology& topology)
      : files_(files), topology_(topology) {}

  // Only those that nodes use: the rest would tell which program exported the model.
  void WriteOperatorSets(const onnx::Model& model, const Program& program) {
    std::set<std::string_view> used;
    ForEachNode(program.main, [&](const ProgramNode& node) { used.insert(node.domain); });
    for (const auto& [domain, version] : model.operator_sets) {
      if (used.erase(domain == "ai.onnx" ? "" : domain) == 0) continue;
      wire::OperatorSet* set = topology_.add_operator_sets();
      set->set_domain(domain == "ai.onnx" ? "" : std::string(domain));
      set->set_version(static_cast<uint32_t>(version));
    }
    if (!used.contains(kOwnDomain)) return;
    wire::OperatorSet* own = topology_.add_operator_sets();
    own->set_domain(std::string(kOwnDomain));
    own->set_version(static_cast<uint32_t>(kOwnDomainVersion));
  }

  void WriteBlob(const BlobKey& blob) {
    wire::Blob* message = topology_.mutable_blob();
    message->set_id(std::string(AsText(blob.id)));
    message->set_chunk_count(blob.chunk_count);
    message->set_chunk_bytes(blob.chunk_bytes);
    message->set_secret(std::string(AsText(blob.secret.Reveal())));
  }

  Done WriteMainGraph(const ProgramGraph& graph) {
    return WriteGraph(graph, true, *topology_.mutable_graph());
  }

  Done WriteWeights(const WeightPlan& plan) {
    for (const PlannedWeight& weight : plan.weights) {
      wire::Weight* message = topology_.add_weights();
      message->set_value(weight.value);
      message->set_type(
          static_cast<wire::DataType>(IsPacked(weight) ? weight.storage : weight.type));
      std::vector<int64_t> dims = weight.tensor->dims;
      if (IsPacked(weight)) {
        if (weight.packing->transposed) std::swap(dims.at(0), dims.at(1));
        message->set_has_bias(weight.packed.has_bias);
      } else {
        message->set_panel_extent(weight.panel_extent);
      }
      message->mutable_dims()->Add(dims.begin(), dims.end());
      message->set_layout(LayoutOf(weight.layout));
      message->set_offset(weight.offset);
      if (!weight.is_inline) continue;
      TRY(const onnx::TensorData data, onnx::ReadTensorData(*weight.tensor, files_));
      message->set_inline_data(std::string(AsText(data.bytes())));
    }
    return {};
  }

 private:
  Done WriteGraph(const ProgramGraph& graph, bool is_main, wire::Graph& message) {
    for (const ProgramValue& input : graph.inputs) {
      WriteValue(input, is_main, *message.add_inputs());
    }
    for (const ProgramValue& output : graph.outputs) {
      WriteValue(output, is_main, *message.add_outputs());
    }
    for (const ProgramNode& node : graph.nodes) {
      TRY_OK(WriteNode(node, *message.add_nodes()));
    }
    return {};
  }

  // Inner names go nowhere.
  static void WriteValue(const ProgramValue& value, bool is_main, wire::Value& message) {
    message.set_id(value.id);
    if (is_main) message.set_name(std::string(value.source->name));
    message.set_type(
        static_cast<wire::DataType>(wire::ElementTypeFromNumber(value.source->element_type)));
    message.set_is_sequence(value.source->is_sequence);
    message.set_is_optional(value.source->is_optional);
    if (!value.source->shape) return;
    message.set_has_shape(true);
    for (const onnx::Dimension& dimension : *value.source->shape) {
      wire::Dimension* target = message.add_shape();
      const bool is_fixed = dimension.value && *dimension.value >= 0;
      target->set_size(is_fixed ? *dimension.value : -1);
      if (!is_fixed && is_main) target->set_symbol(std::string(dimension.symbol));
    }
  }

  Done WriteNode(const ProgramNode& node, wire::Node& message) {
    message.set_operator_(std::string(node.op));
    message.set_domain(std::string(node.domain));
    message.mutable_inputs()->Add(node.inputs.begin(), node.inputs.end());
    message.mutable_outputs()->Add(node.outputs.begin(), node.outputs.end());
    for (const ProgramAttribute& attribute : node.attributes) {
      WriteOwnAttribute(attribute, *message.add_attributes());
    }
    if (node.source == nullptr) return {};
    size_t next_subgraph = 0;
    for (const onnx::Attribute& attribute : node.source->attributes) {
      if (attribute.type == onnx::AttributeType::kTypeProto) continue;
      wire::Attribute& target = *message.add_attributes();
      target.set_name(std::string(attribute.name));
      if (attribute.type == onnx::AttributeType::kGraph) {
        TRY_OK(WriteGraph(node.subgraphs.at(next_subgraph++), false, *target.mutable_graph()));
      } else {
        TRY_OK(WriteAttribute(attribute, target));
      }
    }
    return {};
  }

  static void WriteOwnAttribute(const ProgramAttribute& attribute, wire::Attribute& message) {
    message.set_name(std::string(attribute.name));
    if (const auto* number = std::get_if<float>(&attribute.value)) {
      message.set_f(*number);
    } else if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
      message.set_i(*integer);
    } else if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
      message.set_s(std::string(*text));
    } else {
      const auto& ints = std::get<std::vector<int64_t>>(attribute.value);
      message.mutable_ints()->mutable_values()->Add(ints.begin(), ints.end());
    }
  }

  Done WriteAttribute(const onnx::Attribute& attribute, wire::Attribute& message) {
    using onnx::AttributeType;
    switch (attribute.type) {
      case AttributeType::kFloat:
        message.set_f(attribute.f);
        return {};
      case AttributeType::kInt:
        message.set_i(attribute.i);
        return {};
      case AttributeType::kString:
        message.set_s(std::string(attribute.s));
        return {};
      case AttributeType::kFloats:
        message.mutable_floats()->mutable_values()->Add(attribute.floats.begin(),
                                                        attribute.floats.end());
        return {};
      case AttributeType::kInts:
        message.mutable_ints()->mutable_values()->Add(attribute.ints.begin(), attribute.ints.end());
        return {};
      case AttributeType::kStrings:
        message.mutable_strings();
        for (const std::string_view text : attribute.strings) {
          message.mutable_strings()->add_values(std::string(text));
        }
        return {};
      default:
        CHECK(attribute.type == AttributeType::kTensor);
        return WriteTensor(*attribute.tensor, *message.mutable_tensor());
    }
  }

  Done WriteTensor(const onnx::Tensor& tensor, wire::InlineTensor& message) {
    TRY(const onnx::TensorData data, onnx::ReadTensorData(tensor, files_));
    message.set_type(static_cast<wire::DataType>(onnx::TypeOf(tensor)));
    message.mutable_dims()->Add(tensor.dims.begin(), tensor.dims.end());
    message.set_data(std::string(AsText(data.bytes())));
    return {};
  }

  onnx::ExternalFiles& files_;
  wire::Topology& topology_;
};

Result<SecretBytes> Serialize(const wire::Topology& topology) {
  const size_t size = topology.ByteSizeLong();
  if (size > wire::kLargestMessageBytes) {
    return Error{
        Code::kOverLimit, "topology_too_large",
        "the graph alone takes " + std::to_string(size) + " bytes; at most 256 MiB are supported"};
  }
  SecretBytes message(size);
  CHECK(topology.SerializeToArray(message.Fill().data(), static_cast<int>(size)));
  return message;
}

}  // namespace

Result<SecretBytes> WriteTopology(const onnx::Model& model, const Program& program,
                                  const WeightPlan& plan, const BlobKey& blob,
                                  onnx::ExternalFiles& files) {
  wire::Topology topology;
  const wire::WipedSecret wiped(topology);
  topology.set_format_version(wire::kTopologyFormatVersion);
  TopologyWriter writer(files, topology);
  writer.WriteOperatorSets(model, program);
  TRY_OK(writer.WriteMainGraph(program.main));
  TRY_OK(writer.WriteWeights(plan));
  writer.WriteBlob(blob);
  return Serialize(topology);
}

}  // namespace ephemeralml::decompose
