#include "fuzz/mutate_request.h"

#include <algorithm>
#include <cstring>

#include "common/operators/operators.h"
#include "common/wire/blob_format.h"
#include "common/wire/data_type.h"
#include "fuzz/random_attribute.h"

namespace ephemeralml::fuzz {
namespace {

constexpr size_t kMostElements = 4096;
constexpr uint64_t kOffsets = 4096;

wire::DataType ChooseType(ByteSource& source) {
  static constexpr auto kTypes = std::to_array<wire::DataType>(
      {wire::FLOAT,          wire::UINT8,      wire::INT8,       wire::UINT16,   wire::INT16,
       wire::INT32,          wire::INT64,      wire::STRING,     wire::BOOL,     wire::FLOAT16,
       wire::DOUBLE,         wire::UINT32,     wire::UINT64,     wire::BFLOAT16, wire::FLOAT8E4M3FN,
       wire::FLOAT8E5M2FNUZ, wire::FLOAT8E8M0, wire::FLOAT4E2M1, wire::INT4,     wire::UINT2});
  return source.Of(kTypes);
}

size_t CountOf(const wire::Tensor& tensor) {
  size_t count = 1;
  for (const int64_t extent : tensor.dims()) {
    count =
        std::min(count * static_cast<size_t>(std::clamp<int64_t>(extent, 0, 64)), kMostElements);
  }
  return count;
}

// All nodes, those of subgraphs included.
void CollectNodes(wire::Graph& graph, std::vector<wire::Node*>& nodes) {
  for (wire::Node& node : *graph.mutable_nodes()) {
    nodes.push_back(&node);
    for (wire::Attribute& attribute : *node.mutable_attributes()) {
      if (attribute.has_graph()) CollectNodes(*attribute.mutable_graph(), nodes);
    }
  }
}

class Mutation {
 public:
  Mutation(ByteSource& source, wire::Request& request)
      : source_(source),
        request_(request),
        topology_(*request.mutable_topology()),
        graph_(*topology_.mutable_graph()) {
    CollectNodes(graph_, nodes_);
  }

  void Apply() {
    switch (source_.Below(16)) {
      case 0:
      case 1:
      case 2:
        return ChangeAttribute();
      case 3:
        return AddAttribute();
      case 4:
      case 5:
        return ChangeShape();
      case 6:
      case 7:
      case 8:
        return ChangeElements();
      case 9:
        return ChangeTypeOfInput();
      case 10:
        return MakeConstant();
      case 11:
        return ChangeOperands();
      case 12:
        return ChangeWeight();
      case 13:
        return ChangeVersion();
      case 14:
        return ChangeOperator();
      default:
        return AddNode();
    }
  }

 private:
  template <class Repeated>
  auto* Any(Repeated* all) {
    return all->empty() ? nullptr : &(*all)[static_cast<int>(source_.Below(all->size()))];
  }

  wire::Node* AnyNode() { return nodes_.empty() ? nullptr : nodes_[source_.Below(nodes_.size())]; }

  wire::Tensor* AnyTensor() {
    wire::Tensor* tensor = Any(request_.mutable_inputs());
    if (tensor == nullptr || tensor->elements().empty()) return tensor;
    return Any(tensor->mutable_elements());
  }

  void ChangeAttribute() {
    wire::Node* node = AnyNode();
    wire::Attribute* attribute = node == nullptr ? nullptr : Any(node->mutable_attributes());
    if (attribute == nullptr) return ChangeElements();
    if (attribute->has_ints() && source_.Chance(200)) {
      auto& values = *attribute->mutable_ints()->mutable_values();
      if (values.empty() || source_.Chance(40)) {
        values.Add(source_.Integer());
      } else if (source_.Chance(20)) {
        values.RemoveLast();
      } else {
        values[static_cast<int>(source_.Below(values.size()))] = source_.Integer();
      }
    } else if (!attribute->has_graph()) {
      const std::string name = attribute->name();
      if (!MakeAttribute(name, source_, *attribute)) attribute->set_i(source_.Integer());
    } else if (attribute->graph().outputs().empty()) {
      attribute->mutable_graph()->add_outputs()->set_id(AnyValue());
    } else if (source_.Chance(64)) {
      attribute->mutable_graph()->mutable_outputs()->RemoveLast();
    } else {
      const wire::Value first = attribute->graph().outputs(0);
      *attribute->mutable_graph()->add_outputs() = first;
    }
  }

  void AddAttribute() {
    wire::Node* node = AnyNode();
    if (node == nullptr) return;
    const auto names = AttributesOf(node->operator_());
    if (names.empty()) return ChangeElements();
    const std::string_view name = names[source_.Below(names.size())];
    auto& all = *node->mutable_attributes();
    const auto found = std::ranges::find(all, name, [](const auto& each) { return each.name(); });
    wire::Attribute* attribute = found != all.end() ? &*found : all.Add();
    if (!MakeAttribute(name, source_, *attribute)) all.RemoveLast();
  }

  // Of graph inputs: what a tensor is is no longer said.
  void ForgetShape(const std::string& name) {
    for (wire::Value& value : *graph_.mutable_inputs()) {
      if (value.name() != name) continue;
      value.set_has_shape(false);
      value.clear_shape();
    }
  }

  void ChangeShape() {
    wire::Tensor* tensor = AnyTensor();
    if (tensor == nullptr) return;
    auto& dims = *tensor->mutable_dims();
    const uint8_t way = source_.Byte();
    const int64_t extent = source_.Chance(40) ? 0 : 1 + static_cast<int64_t>(source_.Below(9));
    if (dims.empty() || way < 40) {
      dims.Add(extent);
    } else if (way < 80) {
      dims.RemoveLast();
    } else if (way < 110) {
      std::reverse(dims.begin(), dims.end());
    } else if (way < 150 && dims.size() > 1) {
      // Nothing, many times: what counts its rows never ends.
      dims[static_cast<int>(source_.Below(dims.size()))] = int64_t{1} << 40;
      dims[static_cast<int>(source_.Below(dims.size()))] = 0;
    } else {
      dims[static_cast<int>(source_.Below(dims.size()))] = extent;
    }
    Refill(*tensor);
  }

  void ChangeTypeOfInput() {
    wire::Tensor* tensor = AnyTensor();
    if (tensor == nullptr) return;
    tensor->set_type(ChooseType(source_));
    for (wire::Value& value : *graph_.mutable_inputs()) {
      if (value.name() == tensor->name()) value.set_type(tensor->type());
    }
    Refill(*tensor);
  }

  // Keeps what fits of the elements, if they have a fixed width.
  void Refill(wire::Tensor& tensor) {
    const size_t count = CountOf(tensor);
    const size_t width = wire::ElementBytes(wire::ElementTypeFromNumber(tensor.type()));
    std::string made = MakeElements(tensor.type(), count, source_);
    const size_t kept = std::min(made.size(), tensor.data().size());
    if (width != 0) made.replace(0, kept, tensor.data(), 0, kept);
    tensor.set_data(made);
    for (const wire::Tensor& input : request_.inputs()) ForgetShape(input.name());
  }

  void ChangeElements() {
    wire::Tensor* tensor = AnyTensor();
    if (tensor == nullptr) return ChangeWeight();
    const size_t width = wire::ElementBytes(wire::ElementTypeFromNumber(tensor->type()));
    std::string data = tensor->data();
    if (width == 0 || data.size() < width) {
      tensor->set_data(MakeElements(tensor->type(), CountOf(*tensor), source_));
      return;
    }
    const std::string element = MakeElements(tensor->type(), 1, source_);
    const size_t at = source_.Below(std::min<size_t>(data.size() / width, 65536)) * width;
    data.replace(at, width, element);
    if (source_.Chance(32)) {
      for (size_t i = 0; i + width <= data.size(); i += width) data.replace(i, width, element);
    }
    tensor->set_data(data);
  }

  // An input becomes a constant of the topology, or a weight in the blob.
  void MakeConstant() {
    if (request_.inputs().empty()) return;
    const int at = static_cast<int>(source_.Below(request_.inputs().size()));
    const wire::Tensor tensor = request_.inputs(at);
    auto& values = *graph_.mutable_inputs();
    const auto value =
        std::ranges::find(values, tensor.name(), [](const auto& each) { return each.name(); });
    if (value == values.end() || tensor.kind() != wire::TENSOR) return;
    wire::Weight& weight = *topology_.add_weights();
    weight.set_value(value->id());
    weight.set_type(tensor.type());
    *weight.mutable_dims() = tensor.dims();
    if (source_.Chance(128)) {
      weight.set_inline_data(tensor.data());
    } else {
      Place(weight);
    }
    values.erase(value);
    request_.mutable_inputs()->erase(request_.inputs().begin() + at);
  }

  void Place(wire::Weight& weight) {
    weight.clear_inline_data();
    weight.set_layout(static_cast<wire::Layout>(source_.Chance(128) ? source_.Below(5) : 0));
    weight.set_offset(source_.Below(kOffsets) * wire::kWeightAlignment);
    weight.set_panel_extent(1 + source_.Below(64));
    weight.set_has_bias(source_.Chance(64));
  }

  void ChangeWeight() {
    wire::Weight* weight = Any(topology_.mutable_weights());
    if (weight == nullptr) return;
    if (source_.Chance(100) && !weight->dims().empty()) {
      auto& dims = *weight->mutable_dims();
      dims[static_cast<int>(source_.Below(dims.size()))] = static_cast<int64_t>(source_.Below(20));
      if (!weight->inline_data().empty()) Place(*weight);
    } else if (!weight->inline_data().empty()) {
      const size_t width = wire::ElementBytes(wire::ElementTypeFromNumber(weight->type()));
      if (width == 0 || weight->inline_data().size() < width) return;
      const size_t at = source_.Below(weight->inline_data().size() / width) * width;
      weight->mutable_inline_data()->replace(at, width, MakeElements(weight->type(), 1, source_));
    } else {
      Place(*weight);
    }
  }

  void ChangeOperands() {
    wire::Node* node = AnyNode();
    if (node == nullptr) return;
    auto& inputs = *node->mutable_inputs();
    const uint8_t way = source_.Byte();
    if (inputs.empty() || way < 50) {
      inputs.Add(AnyValue());
    } else if (way < 100) {
      inputs.RemoveLast();
    } else {
      inputs[static_cast<int>(source_.Below(inputs.size()))] = way < 140 ? 0 : AnyValue();
    }
  }

  uint32_t AnyValue() {
    std::vector<uint32_t> known;
    for (const wire::Value& value : graph_.inputs()) known.push_back(value.id());
    for (const wire::Weight& weight : topology_.weights()) known.push_back(weight.value());
    for (const wire::Node& node : graph_.nodes()) {
      known.insert(known.end(), node.outputs().begin(), node.outputs().end());
    }
    return known.empty() ? 0 : known[source_.Below(known.size())];
  }

  void ChangeVersion() {
    wire::OperatorSet* set = Any(topology_.mutable_operator_sets());
    if (set != nullptr) {
      set->set_version(1 + static_cast<uint32_t>(source_.Below(operators::kNewestOpset)));
    }
  }

  void ChangeOperator() {
    wire::Node* node = AnyNode();
    if (node == nullptr) return;
    const auto& op = operators::All()[source_.Below(operators::All().size())];
    node->set_operator_(std::string(op.name));
    SetDomain(*node, op);
  }

  void SetDomain(wire::Node& node, const operators::SupportedOperator& op) {
    node.set_domain(std::string(op.domain));
    for (const wire::OperatorSet& set : topology_.operator_sets()) {
      if (set.domain() == op.domain) return;
    }
    wire::OperatorSet& set = *topology_.add_operator_sets();
    set.set_domain(std::string(op.domain));
    set.set_version(static_cast<uint32_t>(op.last_opset));
  }

  // Takes something that is there already, and is the first output from then on.
  void AddNode() {
    const auto& op = operators::All()[source_.Below(operators::All().size())];
    const uint32_t input = AnyValue();
    const uint32_t other = AnyValue();
    wire::Node& node = *graph_.add_nodes();
    node.set_operator_(std::string(op.name));
    SetDomain(node, op);
    node.add_inputs(input);
    if (source_.Chance(100)) node.add_inputs(other);
    const uint32_t made = 100'000 + static_cast<uint32_t>(graph_.nodes_size());
    node.add_outputs(made);
    if (!graph_.outputs().empty()) graph_.mutable_outputs(0)->set_id(made);
  }

  ByteSource& source_;
  wire::Request& request_;
  wire::Topology& topology_;
  wire::Graph& graph_;
  std::vector<wire::Node*> nodes_;
};

}  // namespace

void MutateRequest(ByteSource& source, wire::Request& request) {
  Mutation(source, request).Apply();
}

}  // namespace ephemeralml::fuzz
