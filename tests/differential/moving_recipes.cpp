// Operators that move elements.

#include <algorithm>
#include <numeric>

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddInt;
using decompose::testing::AddInts;
using decompose::testing::AddString;

ElementType AnyType() {
  return OneOf<ElementType>({ElementType::kFloat, ElementType::kFloat, ElementType::kInt64});
}

int64_t Either(int64_t axis, int64_t rank) { return Chance(50) ? axis : axis - rank; }

void AddTranspose(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType());
  std::vector<int64_t> axes(x.shape->size());
  std::iota(axes.begin(), axes.end(), 0);
  const bool reverses = Chance(20);
  std::ranges::reverse(axes);
  for (size_t i = 0; !reverses && i + 1 < axes.size(); ++i) {
    std::swap(axes[i],
              axes[static_cast<size_t>(Draw(static_cast<int64_t>(i), std::ssize(axes) - 1))]);
  }
  Shape shape;
  for (const int64_t axis : axes) shape.push_back((*x.shape)[static_cast<size_t>(axis)]);
  onnx::NodeProto* node = maker.Node(op, {x}, x.type, shape);
  if (!reverses) AddInts(node, "perm", axes);
}

void AddReshape(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType());
  std::vector<int64_t> wanted = *x.shape;
  Shape shape = *x.shape;
  const bool is_empty = std::ranges::find(shape, 0) != shape.end();
  if (shape.size() >= 2 && Chance(50)) {
    const auto at = static_cast<size_t>(Draw(0, std::ssize(shape) - 2));
    shape[at] *= shape[at + 1];
    shape.erase(shape.begin() + static_cast<ptrdiff_t>(at) + 1);
    wanted = shape;
  } else if (Chance(50)) {
    shape.push_back(1);
    wanted.push_back(1);
  }
  const auto last = std::ssize(shape) - 1;
  if (!is_empty && !wanted.empty() && Chance(60)) wanted[static_cast<size_t>(Draw(0, last))] = -1;
  const bool is_kept = !wanted.empty() && !x.shape->empty() && wanted[0] == x.shape->front();
  if (is_kept && Chance(30)) wanted[0] = 0;
  maker.Node(op, {x, maker.Integers(wanted)}, x.type, shape);
}

void AddFlatten(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(-rank, rank);
  const auto cut = x.shape->begin() + (axis < 0 ? axis + rank : axis);
  const auto product = std::multiplies<int64_t>();
  onnx::NodeProto* node =
      maker.Node(op, {x}, x.type,
                 Shape{std::accumulate(x.shape->begin(), cut, int64_t{1}, product),
                       std::accumulate(cut, x.shape->end(), int64_t{1}, product)});
  AddInt(node, "axis", axis);
}

void AddWithAxes(GraphMaker& maker, const std::string& op, const Value& x,
                 const std::vector<int64_t>& axes, const Shape& shape) {
  if (maker.opset() >= 13) {
    maker.Node(op, {x, maker.Integers(axes)}, x.type, shape);
  } else {
    AddInts(maker.Node(op, {x}, x.type, shape), "axes", axes);
  }
}

void AddUnsqueeze(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 0, 3);
  const auto rank = std::ssize(*x.shape) + 1;
  const int64_t axis = Draw(0, rank - 1);
  Shape shape = *x.shape;
  shape.insert(shape.begin() + axis, 1);
  AddWithAxes(maker, op, x, {Either(axis, rank)}, shape);
}

void AddSqueeze(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto one = std::ranges::find(*x.shape, 1);
  if (one == x.shape->end()) return;
  const int64_t axis = one - x.shape->begin();
  Shape shape = *x.shape;
  shape.erase(shape.begin() + axis);
  AddWithAxes(maker, op, x, {Either(axis, std::ssize(*x.shape))}, shape);
}

void AddConcat(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  std::vector<Value> inputs = {x};
  Shape shape = *x.shape;
  for (int64_t more = Draw(0, 2); more > 0; --more) {
    Shape part = *x.shape;
    part[static_cast<size_t>(axis)] = Draw(0, 3);
    shape[static_cast<size_t>(axis)] += part[static_cast<size_t>(axis)];
    inputs.push_back(maker.Fresh(x.type, part));
  }
  AddInt(maker.Node(op, inputs, x.type, shape), "axis", Either(axis, rank));
}

void AddSplit(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  const int64_t extent = (*x.shape)[static_cast<size_t>(axis)];
  const int64_t first = Draw(0, extent);
  const std::vector<int64_t> lengths = {first, extent - first};
  Shape shape = *x.shape;
  shape[static_cast<size_t>(axis)] = first;
  onnx::NodeProto* node = nullptr;
  if (maker.opset() >= 13) {
    node = maker.Node(op, {x, maker.Integers(lengths)}, x.type, shape);
  } else {
    node = maker.Node(op, {x}, x.type, shape);
    AddInts(node, "split", lengths);
  }
  AddInt(node, "axis", Either(axis, rank));
  shape[static_cast<size_t>(axis)] = extent - first;
  maker.Output(node, x.type, shape);
}

void AddSlice(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  std::vector<std::vector<int64_t>> lists(4);
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (!Chance(60)) continue;
    const auto step = OneOf<int64_t>({1, 1, 2, 3, -1, -2});
    lists[0].push_back(Draw(-7, 7));
    // "To the end" is the largest number forwards and the smallest backwards: ONNX Runtime reads
    // the largest so in both directions.
    lists[1].push_back(Chance(15) ? (step > 0 ? INT64_MAX : INT64_MIN) : Draw(-7, 7));
    lists[2].push_back(Either(axis, rank));
    lists[3].push_back(step);
  }
  if (lists[0].empty()) return;
  std::vector<Value> inputs = {x};
  for (const auto& list : lists) inputs.push_back(maker.Integers(list));
  maker.Node(op, inputs, x.type, std::nullopt);
}

void AddGather(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  const int64_t extent = (*x.shape)[static_cast<size_t>(axis)];
  const Shape places = GraphMaker::RandomShape(0, 2);
  if (extent == 0) return;
  const auto type = OneOf<ElementType>({ElementType::kInt64, ElementType::kInt32});
  const Value indices =
      maker.Fresh(type, places, {-static_cast<double>(extent), static_cast<double>(extent) - 1});
  Shape shape = *x.shape;
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, places.begin(), places.end());
  AddInt(maker.Node(op, {x, indices}, x.type, shape), "axis", Either(axis, rank));
}

void AddPad(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(ElementType::kFloat, 1);
  const std::string mode = OneOf<std::string>({"constant", "constant", "edge", "reflect"});
  std::vector<int64_t> pads(2 * x.shape->size());
  Shape shape = *x.shape;
  for (size_t i = 0; i < pads.size(); ++i) {
    const int64_t extent = (*x.shape)[i % shape.size()];
    if (mode != "constant" && extent == 0) return;
    const int64_t most = mode == "reflect" ? extent - 1 : 2;
    pads[i] = Draw(mode == "constant" && extent > 2 ? -1 : 0, most);
    shape[i % shape.size()] += pads[i];
  }
  std::vector<Value> inputs = {x, maker.Integers(pads)};
  if (mode == "constant" && Chance(60)) inputs.push_back(maker.Fresh(ElementType::kFloat, {}));
  AddString(maker.Node(op, inputs, x.type, shape), "mode", mode);
}

void AddExpand(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType());
  std::vector<int64_t> wanted = *x.shape;
  for (int64_t& size : wanted) size = size == 1 ? Draw(1, 3) : (Chance(30) ? 1 : size);
  if (Chance(40)) wanted.insert(wanted.begin(), Draw(1, 3));
  maker.Node(op, {x, maker.Integers(wanted)}, x.type, std::nullopt);
}

void AddTile(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  std::vector<int64_t> repeats;
  Shape shape = *x.shape;
  for (int64_t& size : shape) {
    repeats.push_back(Draw(0, 3));
    size *= repeats.back();
  }
  maker.Node(op, {x, maker.Integers(repeats)}, x.type, shape);
}

void AddShape(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType());
  maker.Node(op, {x}, ElementType::kInt64, op == "Size" ? Shape{} : Shape{std::ssize(*x.shape)});
}

}  // namespace

std::vector<NamedRecipe> MovingRecipes() {
  return {{"Transpose", AddTranspose}, {"Reshape", AddReshape},
          {"Flatten", AddFlatten},     {"Squeeze", AddSqueeze},
          {"Unsqueeze", AddUnsqueeze}, {"Concat", AddConcat},
          {"Split", AddSplit},         {"Slice", AddSlice},
          {"Gather", AddGather},       {"Pad", AddPad},
          {"Expand", AddExpand},       {"Tile", AddTile},
          {"Shape", AddShape},         {"Size", AddShape}};
}

}  // namespace ephemeralml::differential
