#include "client/decompose/prepare/facts.h"

#include <cstring>
#include <string>

#include "client/decompose/onnx/tensor_data.h"
#include "client/decompose/prepare/element_rules.h"
#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

using wire::ElementType;

SizeList KnownSizes(const std::vector<int64_t>& numbers) {
  SizeList sizes;
  for (const int64_t number : numbers) sizes.push_back({.value = number, .symbol = 0});
  return sizes;
}

template <class T>
SizeList ReadNumbers(ByteSpan bytes) {
  SizeList values(bytes.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T number;
    std::memcpy(&number, bytes.data() + i * sizeof(T), sizeof(T));
    values[i].value = number;
  }
  return values;
}

}  // namespace

Facts::Facts(const Program& program, onnx::ExternalFiles& files) : program_(program) {
  FollowConstants(files);
  std::map<std::string_view, Size> named;
  for (const ProgramValue& input : program.main.inputs) {
    if (!input.source->is_tensor || !input.source->shape) continue;
    SizeList& shape = shapes_[input.id];
    for (const onnx::Dimension& dimension : *input.source->shape) {
      if (dimension.value && *dimension.value >= 0) {
        shape.push_back({.value = *dimension.value, .symbol = 0});
      } else if (dimension.symbol.empty()) {
        shape.push_back(NewSymbol());
      } else {
        const auto [known, is_new] = named.try_emplace(dimension.symbol);
        if (is_new) known->second = NewSymbol();
        shape.push_back(known->second);
      }
    }
  }
  Follow(program.main);
}

void Facts::Follow(const ProgramGraph& graph) {
  for (const ProgramNode& node : graph.nodes) {
    for (const ProgramGraph& subgraph : node.subgraphs) Follow(subgraph);
    Follow(node);
  }
}

// A tensor that can't be read is unknown here; who needs it says what is wrong with it.
void Facts::FollowConstants(onnx::ExternalFiles& files) {
  for (const auto& [value, constant] : program_.constants) {
    if (constant.tensor == nullptr) continue;
    const onnx::Tensor& tensor = *constant.tensor;
    const auto byte_count = onnx::ByteCount(tensor);
    if (!byte_count) continue;
    shapes_[value] = KnownSizes(tensor.dims);
    const ElementType type = onnx::TypeOf(tensor);
    const bool is_integer = type == ElementType::kInt32 || type == ElementType::kInt64;
    const bool is_float = type == ElementType::kFloat && *byte_count > 0;
    if (!is_float && !is_integer) continue;
    if (*byte_count > kMostFollowedElements * wire::ElementBytes(type)) continue;
    const auto data = onnx::ReadTensorData(tensor, files);
    if (!data) continue;
    if (is_float) {
      std::vector<float> floats(*byte_count / sizeof(float));
      std::memcpy(floats.data(), data->bytes().data(), *byte_count);
      if (floats.size() == 1) floats_[value] = floats[0];
      if (tensor.dims.size() == 1) float_lists_[value] = std::move(floats);
    } else {
      elements_[value] = {type, tensor.dims,
                          type == ElementType::kInt32 ? ReadNumbers<int32_t>(data->bytes())
                                                      : ReadNumbers<int64_t>(data->bytes())};
    }
  }
}

void Facts::Follow(const ProgramNode& node) {
  // Our own, before any pass, are named as those of ai.onnx and shaped alike.
  if (!node.domain.empty() && node.domain != kOwnDomain) return;
  auto shapes = OutputShapes(*this, node);
  for (size_t i = 0; i < std::min(shapes.size(), node.outputs.size()); ++i) {
    if (shapes[i] && node.outputs[i] != 0) shapes_[node.outputs[i]] = *std::move(shapes[i]);
  }
  if (node.outputs.size() != 1) return;
  if (auto elements = OutputElements(*this, node)) {
    shapes_[node.outputs[0]] = KnownSizes(elements->dims);
    elements_[node.outputs[0]] = *std::move(elements);
  } else if (const auto number = OutputFloat(*this, node)) {
    floats_[node.outputs[0]] = *number;
  }
}

const SizeList* Facts::ShapeOf(ValueId value) const {
  const auto found = shapes_.find(value);
  return found == shapes_.end() ? nullptr : &found->second;
}

const Elements* Facts::ElementsOf(ValueId value) const {
  const auto found = elements_.find(value);
  return found == elements_.end() ? nullptr : &found->second;
}

std::optional<float> Facts::FloatOf(ValueId value) const {
  const auto found = floats_.find(value);
  return found == floats_.end() ? std::nullopt : std::optional(found->second);
}

const std::vector<float>* Facts::FloatsOf(ValueId value) const {
  const auto found = float_lists_.find(value);
  return found == float_lists_.end() ? nullptr : &found->second;
}

bool Facts::HaveSameShape(ValueId a, ValueId b) const {
  const SizeList* first = ShapeOf(a);
  const SizeList* second = ShapeOf(b);
  return first != nullptr && second != nullptr && *first == *second;
}

bool Facts::LastDimensionIs(ValueId value, int64_t size) const {
  const SizeList* shape = ShapeOf(value);
  return shape != nullptr && !shape->empty() && shape->back().Is(size);
}

void Facts::Rename(ValueId old, ValueId by) {
  if (const SizeList* shape = ShapeOf(old)) shapes_[by] = *shape;
  if (const Elements* elements = ElementsOf(old)) elements_[by] = *elements;
  if (const auto number = FloatOf(old)) floats_[by] = *number;
  if (const auto* list = FloatsOf(old)) float_lists_[by] = *list;
}

Size Facts::NewClipped(Size size) {
  const Size clipped = NewSymbol();
  clipped_[clipped.symbol] = size;
  return clipped;
}

Size Facts::Broadcast(Size a, Size b) {
  if (a == b || b.Is(1)) return a;
  if (a.Is(1) || b.IsKnown()) return b;
  if (a.IsKnown()) return a;
  // s and min(s, n) go together only if they are the same, or if n is 1.
  const auto is_clipped = [&](Size clipped, Size whole) {
    const auto found = clipped_.find(clipped.symbol);
    return found != clipped_.end() && found->second == whole;
  };
  if (is_clipped(a, b)) return b;
  if (is_clipped(b, a)) return a;
  return NewSymbol();
}

}  // namespace ephemeralml::decompose
