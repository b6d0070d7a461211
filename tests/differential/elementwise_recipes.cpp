// Operators that work element by element, and along axes.

#include <algorithm>
#include <cmath>

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddInt;
using decompose::testing::AddInts;

std::optional<Shape> BroadcastShape(const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    shape[shape.size() - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

void AddUnary(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.AnyFloat();
  maker.Node(op, {x}, ElementType::kFloat, x.shape);
}

// Where these jump, or go up and down, a last bit of a large number would count: they are drawn
// over numbers that nothing computed.
void AddStep(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(0, 4));
  maker.Node(op, {x}, ElementType::kFloat, x.shape);
}

// Logarithms and roots of what is surely positive, so that no numbers come of chance alone.
void AddPositive(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(0, 4), {0.1, 9});
  maker.Node(op, {x}, ElementType::kFloat, x.shape);
}

void AddWithAlpha(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.AnyFloat();
  onnx::NodeProto* node = maker.Node(op, {x}, ElementType::kFloat, x.shape);
  if (Chance(70)) AddFloat(node, "alpha", static_cast<float>(Draw(1, 9)) / 8);
}

void AddBinary(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const bool is_float = Chance(70);
  const auto type = is_float ? ElementType::kFloat
                             : OneOf<ElementType>({ElementType::kInt32, ElementType::kInt64});
  const Value a = maker.Operand(type);
  Numbers numbers;
  if (op == "Div" || op == "Mod") numbers = {1, 4};
  const Value b = maker.Fresh(type, GraphMaker::Broadcastable(*a.shape), numbers);
  const bool swaps = op != "Div" && op != "Mod" && Chance(40);
  maker.Node(op, swaps ? std::vector{b, a} : std::vector{a, b}, type,
             BroadcastShape(*a.shape, *b.shape));
}

void AddPow(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value a = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(0, 3), {0.2, 3});
  const Value b = maker.Fresh(ElementType::kFloat, GraphMaker::Broadcastable(*a.shape));
  maker.Node(op, {a, b}, ElementType::kFloat, BroadcastShape(*a.shape, *b.shape));
}

void AddComparison(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const auto type = OneOf<ElementType>({ElementType::kFloat, ElementType::kInt64});
  const Value a = maker.Fresh(type, GraphMaker::RandomShape(0, 4));
  const Value b = maker.Fresh(type, GraphMaker::Broadcastable(*a.shape));
  maker.Node(op, {a, b}, ElementType::kBool, BroadcastShape(*a.shape, *b.shape));
}

void AddLogic(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value a = maker.Operand(ElementType::kBool);
  if (op == "Not") {
    maker.Node(op, {a}, ElementType::kBool, a.shape);
    return;
  }
  const Value b = maker.Fresh(ElementType::kBool, GraphMaker::Broadcastable(*a.shape));
  maker.Node(op, {a, b}, ElementType::kBool, BroadcastShape(*a.shape, *b.shape));
}

void AddVariadic(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value a = maker.Operand();
  std::vector<Value> inputs = {a};
  std::optional<Shape> shape = a.shape;
  for (int64_t more = Draw(0, 2); more > 0; --more) {
    inputs.push_back(maker.Fresh(ElementType::kFloat, GraphMaker::Broadcastable(*a.shape)));
    if (shape) shape = BroadcastShape(*shape, *inputs.back().shape);
  }
  if (shape) maker.Node(op, inputs, ElementType::kFloat, shape);
}

void AddWhere(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value a = maker.Operand();
  const Value b = maker.Fresh(ElementType::kFloat, GraphMaker::Broadcastable(*a.shape));
  const Value c = maker.Fresh(ElementType::kBool, GraphMaker::Broadcastable(*a.shape));
  const auto shape = BroadcastShape(*a.shape, *b.shape);
  if (!shape || !BroadcastShape(*shape, *c.shape)) return;
  maker.Node(op, {c, a, b}, ElementType::kFloat, BroadcastShape(*shape, *c.shape));
}

void AddBitwise(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const auto type = OneOf<ElementType>(
      {ElementType::kInt32, ElementType::kInt64, ElementType::kUint8, ElementType::kInt8});
  const Value a = maker.Fresh(type, GraphMaker::RandomShape(0, 4), {0, 99});
  if (op == "BitwiseNot") {
    maker.Node(op, {a}, type, a.shape);
    return;
  }
  const Value b = maker.Fresh(type, GraphMaker::Broadcastable(*a.shape), {0, 99});
  maker.Node(op, {a, b}, type, BroadcastShape(*a.shape, *b.shape));
}

void AddBitShift(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>({ElementType::kUint8, ElementType::kUint32});
  const Value a = maker.Fresh(type, GraphMaker::RandomShape(0, 4), {0, 99});
  const Value b = maker.Fresh(type, GraphMaker::Broadcastable(*a.shape), {0, 7});
  onnx::NodeProto* node = maker.Node(op, {a, b}, type, BroadcastShape(*a.shape, *b.shape));
  decompose::testing::AddString(node, "direction", Chance(50) ? "LEFT" : "RIGHT");
}

void AddMod(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>(
      {ElementType::kFloat, ElementType::kInt32, ElementType::kInt64, ElementType::kInt8});
  const Value a = maker.Fresh(type, GraphMaker::RandomShape(0, 4), {-60, 60});
  const Value b = maker.Fresh(type, GraphMaker::Broadcastable(*a.shape), {1, 9});
  onnx::NodeProto* node = maker.Node(op, {a, b}, type, BroadcastShape(*a.shape, *b.shape));
  if (type == ElementType::kFloat || Chance(40)) AddInt(node, "fmod", 1);
}

// Of numbers within an interval where the function has values.
void AddWithin(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  Numbers numbers = {-0.9, 0.9};
  if (op == "Acosh") numbers = {1.1, 5};
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(0, 4), numbers);
  maker.Node(op, {x}, ElementType::kFloat, x.shape);
}

void AddShrink(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(0, 4));
  onnx::NodeProto* node = maker.Node(op, {x}, ElementType::kFloat, x.shape);
  if (Chance(60)) AddFloat(node, "lambd", 1.25F);
  if (Chance(60)) AddFloat(node, "bias", 0.5F);
}

void AddRange(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>({ElementType::kInt32, ElementType::kInt64});
  const Value first = maker.Fresh(type, {}, {-3, 3});
  const Value limit = maker.Fresh(type, {}, {-3, 9});
  maker.Node(op, {first, limit, maker.Fresh(type, {}, {1, 3})}, type, std::nullopt);
}

void AddClip(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.AnyFloat();
  const Value none{"", ElementType::kFloat, std::nullopt};
  const Value low = Chance(70) ? maker.Fresh(ElementType::kFloat, {}, {-2, 0}) : none;
  const Value high = Chance(70) ? maker.Fresh(ElementType::kFloat, {}, {0, 2}) : none;
  maker.Node(op, {x, low, high}, ElementType::kFloat, x.shape);
}

void AddPRelu(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Operand();
  Shape slope = GraphMaker::Broadcastable(*x.shape);
  if (slope.size() > x.shape->size()) slope.erase(slope.begin());
  maker.Node(op, {x, maker.Fresh(ElementType::kFloat, slope)}, ElementType::kFloat, x.shape);
}

void AddCast(GraphMaker& maker, const std::string& op) {
  const auto from = OneOf<ElementType>(
      {ElementType::kFloat, ElementType::kInt64, ElementType::kInt32, ElementType::kBool});
  const auto to = OneOf<ElementType>({ElementType::kFloat, ElementType::kInt64, ElementType::kInt32,
                                      ElementType::kBool, ElementType::kDouble});
  const Value x = from == ElementType::kFloat ? maker.Fresh(from, GraphMaker::RandomShape(0, 4))
                                              : maker.Operand(from);
  AddInt(maker.Node(op, {x}, to, x.shape), "to", static_cast<int64_t>(to));
}

void AddReduction(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Operand(ElementType::kFloat, 1);
  const auto rank = std::ssize(*x.shape);
  std::vector<int64_t> axes;
  std::vector<bool> reduced(static_cast<size_t>(rank), false);
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (!Chance(50)) continue;
    axes.push_back(Chance(50) ? axis : axis - rank);
    reduced[static_cast<size_t>(axis)] = true;
  }
  if (axes.empty()) reduced.assign(static_cast<size_t>(rank), true);
  // ONNX Runtime gives an empty tensor back as it came, whatever was to be reduced.
  if (std::ranges::find(*x.shape, 0) != x.shape->end()) return;
  const bool keeps = Chance(60);
  Shape shape;
  for (size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) shape.push_back((*x.shape)[i]);
    if (reduced[i] && keeps) shape.push_back(1);
  }
  const bool by_input = maker.opset() >= (op == "ReduceSum" ? 13 : 18);
  std::vector<Value> inputs = {x};
  if (by_input && !axes.empty()) inputs.push_back(maker.Integers(axes));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, shape);
  if (!by_input && !axes.empty()) AddInts(node, "axes", axes);
  if (!keeps || Chance(30)) AddInt(node, "keepdims", keeps ? 1 : 0);
}

void AddArgument(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(1, 4));
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(0, rank - 1);
  // ONNX Runtime keeps an empty tensor's axis, whatever keepdims says.
  if (std::ranges::find(*x.shape, 0) != x.shape->end()) return;
  Shape shape = *x.shape;
  const bool keeps = Chance(50);
  shape[static_cast<size_t>(axis)] = 1;
  if (!keeps) shape.erase(shape.begin() + axis);
  onnx::NodeProto* node = maker.Node(op, {x}, ElementType::kInt64, shape);
  AddInt(node, "axis", Chance(50) ? axis : axis - rank);
  AddInt(node, "keepdims", keeps ? 1 : 0);
  if (maker.opset() >= 12 && Chance(30)) AddInt(node, "select_last_index", 1);
}

// What chooses a largest element chooses among fresh ones: computed ones may be equal but for a
// bit.
void AddHardmax(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(1, 4));
  const auto rank = std::ssize(*x.shape);
  if (std::ranges::find(*x.shape, 0) != x.shape->end()) return;
  AddInt(maker.Node(op, {x}, ElementType::kFloat, x.shape), "axis", Draw(-rank, rank - 1));
}

void AddLpNormalization(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(1, 4));
  const auto rank = std::ssize(*x.shape);
  if (std::ranges::find(*x.shape, 0) != x.shape->end()) return;
  onnx::NodeProto* node = maker.Node(op, {x}, ElementType::kFloat, x.shape);
  AddInt(node, "axis", Draw(-rank, rank - 1));
  if (Chance(50)) AddInt(node, "p", 1);
}

void AddLogReduction(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(1, 4), {0.1, 3});
  if (std::ranges::find(*x.shape, 0) != x.shape->end()) return;
  const auto rank = std::ssize(*x.shape);
  const int64_t axis = Draw(-rank, rank - 1);
  std::vector<Value> inputs = {x};
  if (maker.opset() >= 18) inputs.push_back(maker.Integers({axis}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, std::nullopt);
  if (maker.opset() < 18) AddInts(node, "axes", {axis});
}

void AddSoftmax(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Value x = maker.Operand(ElementType::kFloat, 1);
  const auto rank = std::ssize(*x.shape);
  onnx::NodeProto* node = maker.Node(op, {x}, ElementType::kFloat, x.shape);
  if (rank == 1 && maker.opset() < 13) {
    AddInt(node, "axis", 0);
  } else if (Chance(70)) {
    AddInt(node, "axis", Draw(-rank, rank - 1));
  }
}

}  // namespace

std::vector<NamedRecipe> ElementwiseRecipes() {
  std::vector<NamedRecipe> recipes = {{"Clip", AddClip},
                                      {"PRelu", AddPRelu},
                                      {"Cast", AddCast},
                                      {"Where", AddWhere},
                                      {"Pow", AddPow}};
  const auto add = [&](Recipe recipe, const std::vector<std::string>& names) {
    for (const std::string& name : names) recipes.push_back({name, recipe});
  };
  add(AddUnary, {"Abs", "Neg", "Exp", "Erf", "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign",
                 "HardSwish", "Gelu", "Mish", "Identity", "Atan", "Sinh", "Cosh", "Asinh"});
  add(AddStep, {"Ceil", "Floor", "Round", "Sign", "Sin", "Cos"});
  add(AddPositive, {"Sqrt", "Log", "Reciprocal"});
  add(AddWithAlpha, {"LeakyRelu", "Elu", "HardSigmoid", "Celu", "ThresholdedRelu", "Selu"});
  add(AddBinary, {"Add", "Sub", "Mul", "Div"});
  add(AddComparison, {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"});
  add(AddLogic, {"And", "Or", "Xor", "Not"});
  add(AddVariadic, {"Max", "Min", "Sum", "Mean"});
  add(AddReduction, {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
                     "ReduceSumSquare", "ReduceProd"});
  add(AddArgument, {"ArgMax", "ArgMin"});
  add(AddSoftmax, {"Softmax", "LogSoftmax"});
  add(AddHardmax, {"Hardmax"});
  add(AddLpNormalization, {"LpNormalization"});
  add(AddLogReduction, {"ReduceLogSum", "ReduceLogSumExp"});
  add(AddBitwise, {"BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"});
  add(AddBitShift, {"BitShift"});
  add(AddMod, {"Mod"});
  add(AddWithin, {"Asin", "Acos", "Atanh", "Acosh", "Tan"});
  add(AddShrink, {"Shrink"});
  add(AddRange, {"Range"});
  return recipes;
}

}  // namespace ephemeralml::differential
