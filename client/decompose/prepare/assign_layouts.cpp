#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/prepare/layout_rules.h"
#include "client/decompose/prepare/match.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"
#include "client/decompose/prepare/window.h"

namespace ephemeralml::decompose {
namespace {

// Walks the graph once. A value keeps its number in planar form and gets another in blocked form;
// it is converted when somebody first wants the form that isn't there.
class Assigner {
 public:
  Assigner(Program& program, ProgramGraph& graph, const Facts& facts, onnx::ExternalFiles& files)
      : program_(program), graph_(graph), facts_(facts), files_(files) {}

  void Assign() {
    std::vector<ProgramNode> nodes = std::exchange(graph_.nodes, {});
    for (ProgramNode& node : nodes) {
      if (BlockConv(node) || BlockPool(node) || BlockElementwise(node) || BlockConcat(node) ||
          BlockResize(node)) {
        continue;
      }
      for (const ValueId input : node.inputs) MakePlanar(input);
      for (const ProgramGraph& subgraph : node.subgraphs) MakeUsesPlanar(subgraph);
      Put(std::move(node));
    }
    for (const ProgramValue& output : graph_.outputs) MakePlanar(output.id);
  }

 private:
  void Put(ProgramNode node) { graph_.nodes.push_back(std::move(node)); }

  const Blocked* Find(ValueId value) const {
    const auto found = blocked_.find(value);
    return found == blocked_.end() ? nullptr : &found->second;
  }

  void MakePlanar(ValueId value) {
    const Blocked* blocked = Find(value);
    if (blocked == nullptr || !only_blocked_.erase(value)) return;
    Put(OwnNode("FromBlocked", {blocked->id}, value, {{"channels", blocked->channels}}));
  }

  void MakeUsesPlanar(const ProgramGraph& graph) {
    ForEachNode(graph, [&](const ProgramNode& node) {
      for (const ValueId input : node.inputs) MakePlanar(input);
    });
  }

  // A planar value of that many channels gets a blocked form, zeros in the lanes past them.
  const Blocked& MakeBlocked(ValueId value, int64_t channels) {
    if (const Blocked* blocked = Find(value)) return *blocked;
    const Blocked blocked{program_.next_id++, channels, 0};
    Put(OwnNode("ToBlocked", {value}, blocked.id, {}));
    return blocked_[value] = blocked;
  }

  // The node's only output comes to be in blocked form alone.
  void PutBlocked(ProgramNode node, int64_t channels, double lanes) {
    const ValueId value = node.outputs[0];
    const Blocked blocked{program_.next_id++, channels, lanes};
    node.outputs = {blocked.id};
    blocked_[value] = blocked;
    only_blocked_.insert(value);
    Put(std::move(node));
  }

  // What a depthwise convolution adds in all lanes, those past the channels too.
  double ShiftOf(const ProgramNode& node) const {
    const ValueId numbers = InputOf(node, 3);
    if (numbers == 0) return 0;
    float shift = 0;
    std::memcpy(&shift, program_.constants.at(numbers).tensor->raw_data->data() + sizeof shift,
                sizeof shift);
    return static_cast<double>(shift);
  }

  bool BlockConv(ProgramNode& node) {
    const bool is_depthwise = IsOwn(node, "DepthwiseConv");
    if (!is_depthwise && !IsOwn(node, "Conv")) return false;
    const auto& dims = program_.constants.at(node.inputs[1]).tensor->dims;
    // A few channels would leave most lanes empty: those the convolution takes as they are.
    const bool takes_planar = !is_depthwise && dims[1] < kLanes && Find(node.inputs[0]) == nullptr;
    if (!takes_planar) {
      node.inputs[0] = MakeBlocked(node.inputs[0], is_depthwise ? dims[0] : dims[1]).id;
    }
    double lanes = 0;
    if (const ValueId given = InputOf(node, 2); given != 0) {
      const Blocked& residual = MakeBlocked(given, dims[0]);
      node.inputs[2] = residual.id;
      lanes = residual.lanes;
    }
    lanes += std::abs(ShiftOf(node));
    lanes = ActivationLanes(node, lanes);
    PutBlocked(std::move(node), dims[0], lanes);
    return true;
  }

  // The engine's pools take no window that lies in the padding alone.
  static bool CoversInput(const std::vector<int64_t>& kernel, const ProgramNode& pool) {
    const auto pads = IntsAttribute(pool, "pads").value_or(std::vector<int64_t>());
    for (size_t i = 0; i < pads.size(); ++i) {
      if (pads[i] >= kernel[i % kernel.size()]) return false;
    }
    return true;
  }

  // Means and maxima of lanes are no larger than the lanes.
  bool BlockPool(ProgramNode& node) {
    const Blocked* in = Find(InputOf(node, 0));
    const bool is_global = Is(node, "GlobalAveragePool");
    const bool is_pool = is_global || Is(node, "MaxPool") || Is(node, "AveragePool");
    if (!is_pool || in == nullptr || node.outputs.size() != 1) return false;
    std::vector<ProgramAttribute> attributes;
    if (!is_global) {
      const auto kernel = IntsAttribute(node, "kernel_shape");
      auto window = kernel ? ResolvedWindow(node, *kernel) : std::nullopt;
      if (!window || !CoversInput(*kernel, node)) return false;
      attributes = *std::move(window);
      attributes.push_back({"kernel_shape", *kernel});
      for (const std::string_view name : {"ceil_mode", "count_include_pad"}) {
        if (const auto value = IntAttribute(node, name)) attributes.push_back({name, *value});
      }
    }
    const Blocked operand = *in;
    PutBlocked(OwnNode(node.op, {operand.id}, node.outputs[0], std::move(attributes)),
               operand.channels, operand.lanes);
    return true;
  }

  bool BlockElementwise(ProgramNode& node) {
    if (node.outputs.size() != 1 || !node.subgraphs.empty()) return false;
    if (const Blocked* in = Find(InputOf(node, 0))) {
      const auto lanes = UnaryLanes(facts_, node, in->lanes);
      if (lanes && *lanes <= kMostLanes) {
        node.inputs[0] = in->id;
        PutBlocked(std::move(node), in->channels, *lanes);
        return true;
      }
    }
    return BlockBinary(node);
  }

  bool BlockBinary(ProgramNode& node) {
    if (node.inputs.size() != 2) return false;
    const Blocked* first = Find(node.inputs[0]);
    const Blocked* second = Find(node.inputs[1]);
    if (first == nullptr && second == nullptr) return false;
    const int64_t channels = first != nullptr ? first->channels : second->channels;
    std::vector<ValueId> inputs;
    std::vector<double> lanes;
    std::vector<ValueId> planar;
    for (const ValueId input : node.inputs) {
      const Blocked* operand = Find(input);
      if (operand != nullptr && operand->channels != channels) return false;
      if (operand == nullptr && !IsConstant(input) && !HasChannels(input, channels)) return false;
      if (operand == nullptr && !IsConstant(input)) planar.push_back(input);
      const auto constant = IsConstant(input) ? BlockedConstant(input, channels) : std::nullopt;
      if (operand == nullptr && IsConstant(input) && !constant) return false;
      inputs.push_back(operand != nullptr ? operand->id : constant ? constant->id : input);
      lanes.push_back(operand != nullptr ? operand->lanes : constant ? constant->lanes : 0);
    }
    auto grown = BinaryLanes(node, lanes[0], lanes[1]);
    // A quotient by a number is a product.
    const bool is_quotient = Is(node, "Div") && facts_.FloatOf(node.inputs[1]) &&
                             std::abs(*facts_.FloatOf(node.inputs[1])) > 1e-6F;
    if (is_quotient) grown = lanes[0] * 1e6;
    if (!grown || *grown > kMostLanes) return false;
    for (size_t i = 0; i < 2; ++i) {
      if (std::ranges::find(planar, node.inputs[i]) != planar.end()) {
        inputs[i] = MakeBlocked(node.inputs[i], channels).id;
      }
    }
    node.inputs = std::move(inputs);
    PutBlocked(std::move(node), channels, *grown);
    return true;
  }

  bool IsConstant(ValueId value) const { return program_.constants.contains(value); }

  bool HasChannels(ValueId value, int64_t channels) const {
    const SizeList* shape = facts_.ShapeOf(value);
    return shape != nullptr && shape->size() == 4 && (*shape)[1].Is(channels);
  }

  // A constant of one float as it is, and one a channel spread over blocks.
  std::optional<Blocked> BlockedConstant(ValueId value, int64_t channels) {
    const onnx::Tensor* tensor = FloatConstant(program_, value);
    if (tensor == nullptr || tensor->dims.size() > 4) return std::nullopt;
    if (const auto number = facts_.FloatOf(value)) {
      return Blocked{value, channels, std::abs(static_cast<double>(*number))};
    }
    const auto& dims = tensor->dims;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] != (dims.size() - i == 3 ? channels : 1)) return std::nullopt;
    }
    const auto data = onnx::ReadTensorData(*tensor, files_);
    if (!data || dims.size() < 3) return std::nullopt;
    const int64_t blocks = (channels + kLanes - 1) / kLanes;
    Bytes bytes(static_cast<size_t>(blocks * kLanes) * sizeof(float));
    std::ranges::copy(data->bytes(), bytes.begin());
    const ValueId id = program_.next_id++;
    program_.constants[id] = {
        "a constant in blocks",
        &AddLiteral(program_, wire::ElementType::kFloat, {1, blocks, 1, 1, kLanes}, bytes)};
    return Blocked{id, channels, 0};
  }

  // Channels of which all parts but the last fill their blocks.
  bool BlockConcat(ProgramNode& node) {
    const int64_t axis = IntAttribute(node, "axis").value_or(facts_.opset() < 4 ? 1 : 0);
    if (!Is(node, "Concat") || (axis != 1 && axis != -3)) return false;
    std::vector<ValueId> inputs;
    int64_t channels = 0;
    double lanes = 0;
    for (const ValueId input : node.inputs) {
      const Blocked* part = Find(input);
      if (part == nullptr || channels % kLanes != 0) return false;
      channels += part->channels;
      lanes = std::max(lanes, part->lanes);
      inputs.push_back(part->id);
    }
    const ProgramAttribute at{"axis", int64_t{1}};
    PutBlocked({.source = nullptr,
                .op = "Concat",
                .domain = "",
                .inputs = std::move(inputs),
                .outputs = node.outputs,
                .subgraphs = {},
                .attributes = {at}},
               channels, lanes);
    return true;
  }

  // Height and width scaled by numbers, batch and channels kept.
  bool BlockResize(ProgramNode& node) {
    const size_t place = facts_.opset() < 11 ? 1 : 2;
    const Blocked* in = Is(node, "Resize") ? Find(node.inputs[0]) : nullptr;
    const auto* scales = in == nullptr ? nullptr : facts_.FloatsOf(InputOf(node, place));
    const std::string_view mode = StringAttribute(node, "mode").value_or("nearest");
    const bool is_plain =
        scales != nullptr && scales->size() == 4 && (*scales)[0] == 1 && (*scales)[1] == 1 &&
        InputOf(node, 3) == 0 && !IntsAttribute(node, "axes") &&
        (mode == "nearest" || mode == "linear") &&
        StringAttribute(node, "coordinate_transformation_mode") != "tf_crop_and_resize";
    if (!is_plain) return false;
    std::vector<float> blocked_scales = *scales;
    blocked_scales.push_back(1);
    const ValueId id = program_.next_id++;
    const auto* bytes = reinterpret_cast<const uint8_t*>(blocked_scales.data());
    program_.constants[id] = {"scales",
                              &AddLiteral(program_, wire::ElementType::kFloat, {5},
                                          {bytes, blocked_scales.size() * sizeof(float)})};
    const Blocked operand = *in;
    node.inputs[0] = operand.id;
    node.inputs[place] = id;
    PutBlocked(std::move(node), operand.channels, operand.lanes);
    return true;
  }

  Program& program_;
  ProgramGraph& graph_;
  const Facts& facts_;
  onnx::ExternalFiles& files_;
  std::map<ValueId, Blocked> blocked_;
  std::set<ValueId> only_blocked_;
};

}  // namespace

void AssignLayouts(Program& program, ProgramGraph& graph, const Facts& facts,
                   onnx::ExternalFiles& files) {
  Assigner(program, graph, facts, files).Assign();
}

}  // namespace ephemeralml::decompose
