// Operators that pick elements by their places, or by their values.

#include <algorithm>

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddInt;
using decompose::testing::AddString;

ElementType AnyType() {
  return OneOf<ElementType>({ElementType::kFloat, ElementType::kInt64, ElementType::kInt32});
}

int64_t Either(int64_t axis, int64_t rank) { return Chance(50) ? axis : axis - rank; }

Value AnyPlaces(GraphMaker& maker, const Shape& shape, int64_t extent) {
  return maker.Fresh(ElementType::kInt64, shape,
                     {-static_cast<double>(extent), static_cast<double>(extent) - 1});
}

bool IsEmpty(const Shape& shape) { return std::ranges::find(shape, 0) != shape.end(); }

// A part of a shape, of at least one element along each axis.
Shape PartOf(const Shape& shape) {
  Shape part = shape;
  for (int64_t& size : part) size = Draw(1, size);
  return part;
}

void AddGatherElements(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  if (IsEmpty(*x.shape)) return;
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  const int64_t extent = (*x.shape)[static_cast<size_t>(axis)];
  Shape shape = PartOf(*x.shape);
  shape[static_cast<size_t>(axis)] = Draw(1, 4);
  AddInt(maker.Node(op, {x, AnyPlaces(maker, shape, extent)}, x.type, shape), "axis",
         Either(axis, rank));
}

// With one place repeated which update comes last would count: additions alone may meet.
void AddScatterElements(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(ElementType::kFloat, 1);
  if (IsEmpty(*x.shape)) return;
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  const int64_t extent = (*x.shape)[static_cast<size_t>(axis)];
  Shape shape = PartOf(*x.shape);
  const bool reduces = maker.opset() >= 16 && Chance(60);
  if (!reduces) shape[static_cast<size_t>(axis)] = 1;
  const Value updates = maker.Fresh(ElementType::kFloat, shape);
  onnx::NodeProto* node =
      maker.Node(op, {x, AnyPlaces(maker, shape, extent), updates}, x.type, x.shape);
  AddInt(node, "axis", Either(axis, rank));
  if (!reduces) return;
  AddString(node, "reduction",
            maker.opset() >= 18 ? OneOf<std::string>({"add", "mul", "min", "max"})
                                : OneOf<std::string>({"add", "mul"}));
}

void AddGatherNd(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  if (IsEmpty(*x.shape)) return;
  const auto rank = std::ssize(*x.shape);
  const int64_t batches = maker.opset() >= 12 && Chance(40) ? Draw(0, rank - 1) : 0;
  const int64_t depth = Draw(1, rank - batches);
  int64_t extent = 9;
  for (int64_t i = batches; i < batches + depth; ++i) {
    extent = std::min(extent, (*x.shape)[static_cast<size_t>(i)]);
  }
  Shape shape(x.shape->begin(), x.shape->begin() + batches);
  if (Chance(60)) shape.push_back(Draw(1, 3));
  Shape result = shape;
  shape.push_back(depth);
  result.insert(result.end(), x.shape->begin() + batches + depth, x.shape->end());
  onnx::NodeProto* node = maker.Node(op, {x, AnyPlaces(maker, shape, extent)}, x.type, result);
  if (batches > 0) AddInt(node, "batch_dims", batches);
}

void AddScatterNd(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(ElementType::kFloat, 1);
  if (IsEmpty(*x.shape)) return;
  const auto rank = std::ssize(*x.shape);
  const int64_t depth = Draw(1, rank);
  int64_t extent = 9;
  for (int64_t i = 0; i < depth; ++i) extent = std::min(extent, (*x.shape)[static_cast<size_t>(i)]);
  const bool reduces = maker.opset() >= 16 && Chance(60);
  Shape shape = {reduces ? Draw(1, 3) : 1};
  Shape updates = shape;
  shape.push_back(depth);
  updates.insert(updates.end(), x.shape->begin() + depth, x.shape->end());
  onnx::NodeProto* node = maker.Node(
      op, {x, AnyPlaces(maker, shape, extent), maker.Fresh(ElementType::kFloat, updates)}, x.type,
      x.shape);
  if (!reduces) return;
  AddString(node, "reduction",
            maker.opset() >= 18 ? OneOf<std::string>({"add", "mul", "min", "max"})
                                : OneOf<std::string>({"add", "mul"}));
}

void AddTopK(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(1, 4));
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  // ONNX Runtime ends its process where there is nothing to choose from, or to choose.
  if (IsEmpty(*x.shape)) return;
  const int64_t count = Draw(1, (*x.shape)[static_cast<size_t>(axis)]);
  Shape shape = *x.shape;
  shape[static_cast<size_t>(axis)] = count;
  onnx::NodeProto* node = maker.Node(op, {x, maker.Integers({count})}, x.type, shape);
  maker.Output(node, ElementType::kInt64, shape);
  AddInt(node, "axis", Either(axis, rank));
  if (Chance(40)) AddInt(node, "largest", 0);
}

void AddOneHot(GraphMaker& maker, const std::string& op) {
  const int64_t depth = Draw(1, 5);
  const Value places = AnyPlaces(maker, GraphMaker::RandomShape(1, 3), depth);
  const auto rank = std::ssize(*places.shape) + 1;
  const int64_t axis = Draw(0, rank - 1);
  Shape shape = *places.shape;
  shape.insert(shape.begin() + axis, depth);
  onnx::NodeProto* node =
      maker.Node(op, {places, maker.Integers({depth}), maker.Fresh(ElementType::kFloat, {2})},
                 ElementType::kFloat, shape);
  AddInt(node, "axis", Either(axis, rank));
}

void AddNonZero(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>(
      {ElementType::kFloat, ElementType::kInt64, ElementType::kInt32, ElementType::kBool});
  maker.Node(op, {maker.Operand(type, 1)}, ElementType::kInt64, std::nullopt);
}

void AddCompress(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  const int64_t extent = (*x.shape)[static_cast<size_t>(axis)];
  const Value chosen = maker.Fresh(ElementType::kBool, {Draw(0, extent)});
  AddInt(maker.Node(op, {x, chosen}, x.type, std::nullopt), "axis", Either(axis, rank));
}

void AddUnique(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>({ElementType::kFloat, ElementType::kInt64});
  const Value x = maker.Fresh(type, GraphMaker::RandomShape(1, 3));
  if (IsEmpty(*x.shape)) return;
  const auto rank = std::ssize(*x.shape);
  onnx::NodeProto* node = maker.Node(op, {x}, x.type, std::nullopt);
  for (int i = 0; i < 3; ++i) maker.Output(node, ElementType::kInt64, std::nullopt);
  if (Chance(60)) AddInt(node, "axis", Either(Draw(0, rank - 1), rank));
  if (Chance(40)) AddInt(node, "sorted", 0);
}

void AddTrilu(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Operand(OneOf<ElementType>({ElementType::kFloat, ElementType::kInt64}), 2);
  std::vector<Value> inputs = {x};
  if (Chance(60)) {
    inputs.push_back(maker.Fresh(ElementType::kInt64, {}, {.least = -6, .most = 6}));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, x.type, x.shape);
  if (Chance(50)) AddInt(node, "upper", 0);
}

void AddCumSum(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(AnyType(), 1);
  const auto rank = std::ssize(*x.shape);
  const Value axis =
      maker.Fresh(OneOf<ElementType>({ElementType::kInt64, ElementType::kInt32}), {},
                  {.least = -static_cast<double>(rank), .most = static_cast<double>(rank) - 1});
  onnx::NodeProto* node = maker.Node(op, {x, axis}, x.type, x.shape);
  if (Chance(40)) AddInt(node, "exclusive", 1);
  if (Chance(40)) AddInt(node, "reverse", 1);
}

void AddReverseSequence(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(ElementType::kFloat, 2);
  if (IsEmpty(*x.shape)) return;
  const bool batch_first = Chance(50);
  const auto time = static_cast<double>((*x.shape)[batch_first ? 1 : 0]);
  const int64_t batch = (*x.shape)[batch_first ? 0 : 1];
  const Value lengths = maker.Fresh(ElementType::kInt64, {batch}, {1, time});
  onnx::NodeProto* node = maker.Node(op, {x, lengths}, x.type, x.shape);
  AddInt(node, "batch_axis", batch_first ? 0 : 1);
  AddInt(node, "time_axis", batch_first ? 1 : 0);
}

void AddEyeLike(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(ElementType::kFloat, 2, 2);
  onnx::NodeProto* node = maker.Node(op, {x}, x.type, x.shape);
  if (Chance(50)) AddInt(node, "k", Draw(-4, 4));
}

}  // namespace

std::vector<NamedRecipe> SelectionRecipes() {
  return {{"GatherElements", AddGatherElements},
          {"ScatterElements", AddScatterElements},
          {"GatherND", AddGatherNd},
          {"ScatterND", AddScatterNd},
          {"TopK", AddTopK},
          {"OneHot", AddOneHot},
          {"NonZero", AddNonZero},
          {"Compress", AddCompress},
          {"Unique", AddUnique},
          {"Trilu", AddTrilu},
          {"CumSum", AddCumSum},
          {"EyeLike", AddEyeLike},
          {"ReverseSequence", AddReverseSequence}};
}

}  // namespace ephemeralml::differential
