#include "client/decompose/prepare/shape_rules.h"

#include <algorithm>
#include <array>

namespace ephemeralml::decompose {
namespace {

// Their output is shaped as their first input.
constexpr auto kShapedAsFirst = std::to_array<std::string_view>({
    "Abs",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Cos",
    "DequantizeLinear",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "Neg",
    "Not",
    "PRelu",
    "QuantizeLinear",
    "RMSNormalization",
    "Reciprocal",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Tanh",
});
static_assert(std::ranges::is_sorted(kShapedAsFirst));

// All inputs are broadcast to each other.
constexpr auto kBroadcast = std::to_array<std::string_view>({
    "Add",
    "And",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Min",
    "Mul",
    "Or",
    "Pow",
    "Sub",
    "Sum",
    "Where",
    "Xor",
});
static_assert(std::ranges::is_sorted(kBroadcast));

constexpr auto kReductions =
    std::to_array<std::string_view>({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"});

SizeList BroadcastShapes(Facts& facts, const SizeList& a, const SizeList& b) {
  const SizeList& longer = a.size() >= b.size() ? a : b;
  const SizeList& shorter = a.size() >= b.size() ? b : a;
  SizeList shape = longer;
  const size_t ahead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    shape[ahead + i] = facts.Broadcast(longer[ahead + i], shorter[i]);
  }
  return shape;
}

MaybeShape BroadcastAll(Facts& facts, const ProgramNode& node) {
  MaybeShape shape;
  for (const ValueId input : node.inputs) {
    const SizeList* next = facts.ShapeOf(input);
    if (next == nullptr) return std::nullopt;
    shape = shape ? BroadcastShapes(facts, *shape, *next) : *next;
  }
  return shape;
}

MaybeShape MatMulShape(Facts& facts, const ProgramNode& node) {
  const SizeList* a = facts.ShapeOf(InputOf(node, 0));
  const SizeList* b = facts.ShapeOf(InputOf(node, 1));
  if (a == nullptr || b == nullptr || a->empty() || b->empty()) return std::nullopt;
  const auto batch = [](const SizeList& shape) {
    return SizeList(shape.begin(),
                    shape.end() - static_cast<ptrdiff_t>(std::min<size_t>(2, shape.size())));
  };
  SizeList shape = BroadcastShapes(facts, batch(*a), batch(*b));
  if (a->size() > 1) shape.push_back((*a)[a->size() - 2]);
  if (b->size() > 1) shape.push_back(b->back());
  return shape;
}

MaybeShape GemmShape(Facts& facts, const ProgramNode& node) {
  const auto size = [&](size_t input, size_t axis, std::string_view transposed) {
    const SizeList* shape = facts.ShapeOf(InputOf(node, input));
    if (IntAttribute(node, transposed).value_or(0) != 0) axis = 1 - axis;
    const bool is_matrix = shape != nullptr && shape->size() == 2;
    return is_matrix ? (*shape)[axis] : facts.NewSymbol();
  };
  return SizeList{size(0, 0, "transA"), size(1, 1, "transB")};
}

MaybeShape ReducedShape(const Facts& facts, const ProgramNode& node) {
  const SizeList* in = facts.ShapeOf(InputOf(node, 0));
  if (in == nullptr) return std::nullopt;
  bool is_unknown = false;
  const auto axes = AxesOf(facts, node, node.op == "ReduceSum" ? 13 : 18, is_unknown);
  if (is_unknown) return std::nullopt;
  const bool keep = IntAttribute(node, "keepdims").value_or(1) != 0;
  std::vector<bool> reduced(in->size(), !axes || axes->empty());
  if (reduced.empty() || (reduced[0] && IntAttribute(node, "noop_with_empty_axes").value_or(0))) {
    return *in;
  }
  for (const int64_t axis : axes.value_or(std::vector<int64_t>())) {
    const auto place = AxisOf(axis, in->size());
    if (!place) return std::nullopt;
    reduced[*place] = true;
  }
  SizeList shape;
  for (size_t i = 0; i < in->size(); ++i) {
    if (!reduced[i]) shape.push_back((*in)[i]);
    if (reduced[i] && keep) shape.push_back({.value = 1, .symbol = 0});
  }
  return shape;
}

MaybeShape ShapeFromElements(Facts& facts, ValueId value) {
  const Elements* elements = facts.ElementsOf(value);
  if (elements == nullptr || elements->dims.size() != 1) return std::nullopt;
  SizeList shape = elements->values;
  for (Size& size : shape) {
    if (size.symbol == Size::kAnything) size = facts.NewSymbol();
    if (size.value < 0) return std::nullopt;
  }
  return shape;
}

MaybeShape ShapeOfShape(const Facts& facts, const ProgramNode& node) {
  const SizeList* in = facts.ShapeOf(InputOf(node, 0));
  if (in == nullptr || IntAttribute(node, "start") || IntAttribute(node, "end")) {
    return std::nullopt;
  }
  return SizeList{{.value = static_cast<int64_t>(in->size()), .symbol = 0}};
}

std::vector<MaybeShape> SplitShapes(Facts& facts, const ProgramNode& node) {
  const SizeList* in = facts.ShapeOf(InputOf(node, 0));
  if (in == nullptr) return {};
  const auto axis = AxisOf(IntAttribute(node, "axis").value_or(0), in->size());
  if (!axis) return {};
  std::vector<MaybeShape> shapes;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    SizeList part = *in;
    part[*axis] = facts.NewSymbol();
    shapes.emplace_back(std::move(part));
  }
  const Size whole = (*in)[*axis];
  const auto parts = static_cast<int64_t>(shapes.size());
  const bool is_even = InputOf(node, 1) == 0 && !IntsAttribute(node, "split") && whole.IsKnown() &&
                       parts > 0 && whole.value % parts == 0;
  if (!is_even) return shapes;
  for (MaybeShape& part : shapes) (*part)[*axis] = {.value = whole.value / parts, .symbol = 0};
  return shapes;
}

template <class List>
bool Contains(const List& list, std::string_view op) {
  return std::ranges::binary_search(list, op);
}

MaybeShape FirstShape(Facts& facts, const ProgramNode& node) {
  if (Contains(kShapedAsFirst, node.op)) {
    const SizeList* shape = facts.ShapeOf(InputOf(node, 0));
    return shape == nullptr ? std::nullopt : MaybeShape(*shape);
  }
  if (Contains(kBroadcast, node.op)) return BroadcastAll(facts, node);
  if (Contains(kReductions, node.op)) return ReducedShape(facts, node);
  if (node.op == "MatMul") return MatMulShape(facts, node);
  if (node.op == "Gemm") return GemmShape(facts, node);
  if (node.op == "Shape") return ShapeOfShape(facts, node);
  if (node.op == "ConstantOfShape") return ShapeFromElements(facts, InputOf(node, 0));
  if (const MaybeShape shape = WindowShape(facts, node)) return shape;
  return MovedShape(facts, node);
}

}  // namespace

ValueId InputOf(const ProgramNode& node, size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : 0;
}

std::optional<size_t> AxisOf(int64_t axis, size_t rank) {
  const auto count = static_cast<int64_t>(rank);
  if (axis < -count || axis >= count) return std::nullopt;
  return static_cast<size_t>(axis < 0 ? axis + count : axis);
}

std::optional<std::vector<int64_t>> AxesOf(const Facts& facts, const ProgramNode& node,
                                           int64_t since, bool& is_unknown) {
  if (facts.opset() < since) return IntsAttribute(node, "axes");
  if (InputOf(node, 1) == 0) return std::nullopt;
  const Elements* elements = facts.ElementsOf(node.inputs[1]);
  std::vector<int64_t> axes;
  is_unknown = elements == nullptr;
  if (is_unknown) return std::nullopt;
  for (const Size& axis : elements->values) {
    is_unknown = is_unknown || !axis.IsKnown();
    axes.push_back(axis.value);
  }
  return axes;
}

std::optional<std::vector<Cut>> CutsOf(const Facts& facts, const ProgramNode& slice) {
  std::array<std::optional<SizeList>, 4> lists;  // starts, ends, axes, steps
  constexpr std::array<std::string_view, 3> kNames = {"starts", "ends", "axes"};
  for (size_t i = 0; i < lists.size(); ++i) {
    if (facts.opset() >= 10) {
      if (InputOf(slice, i + 1) == 0) continue;
      const Elements* elements = facts.ElementsOf(slice.inputs[i + 1]);
      if (elements == nullptr) return std::nullopt;
      lists[i] = elements->values;
    } else if (i < kNames.size()) {
      const auto numbers = IntsAttribute(slice, kNames[i]);
      if (!numbers) continue;
      lists[i].emplace();
      for (const int64_t number : *numbers) lists[i]->push_back({.value = number, .symbol = 0});
    }
  }
  if (!lists[0]) return std::nullopt;
  std::vector<Cut> cuts(lists[0]->size());
  const auto is_bad = [&](const std::optional<SizeList>& list) {
    return list && list->size() != cuts.size();
  };
  if (!lists[1] || std::ranges::any_of(lists, is_bad)) return std::nullopt;
  for (size_t i = 0; i < cuts.size(); ++i) {
    const Size axis = lists[2] ? (*lists[2])[i] : Size{static_cast<int64_t>(i), 0};
    if (!axis.IsKnown()) return std::nullopt;
    cuts[i] = {axis.value, (*lists[0])[i], (*lists[1])[i], cuts[i].step};
    if (lists[3]) cuts[i].step = (*lists[3])[i];
  }
  return cuts;
}

std::vector<MaybeShape> OutputShapes(Facts& facts, const ProgramNode& node) {
  if (node.op == "Split") return SplitShapes(facts, node);
  return {FirstShape(facts, node)};
}

}  // namespace ephemeralml::decompose
