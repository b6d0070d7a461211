// Operators of ai.onnx over quantized numbers.

#include "tests/differential/window_attributes.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddInt;

ElementType AnyByte() { return OneOf<ElementType>({ElementType::kInt8, ElementType::kUint8}); }

// As many bits as sums of ONNX Runtime's kernels surely hold on any processor.
Value Bytes(GraphMaker& maker, ElementType type, const Shape& shape) {
  const bool is_signed = type == ElementType::kInt8;
  return maker.Fresh(type, shape, {is_signed ? -60.0 : 0.0, is_signed ? 60.0 : 120.0});
}

Value ZeroPoints(GraphMaker& maker, ElementType type, const Shape& shape) {
  const bool is_signed = type == ElementType::kInt8;
  return maker.Fresh(type, shape, {.least = is_signed ? -9.0 : 0.0, .most = 9, .constant = true});
}

Value Scales(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape, {.least = 0.01, .most = 0.2, .constant = true});
}

void AddQuantize(GraphMaker& maker, const std::string& op) {
  const auto type = AnyByte();
  const bool is_dequantizing = op == "DequantizeLinear";
  const Shape shape = GraphMaker::RandomShape(1, 4);
  const auto rank = std::ssize(shape);
  const int64_t axis = Draw(0, rank - 1);
  const bool per_axis = maker.opset() >= 13 && Chance(60);
  const Shape scales = per_axis ? Shape{shape[static_cast<size_t>(axis)]} : Shape{};
  const Value x = is_dequantizing ? Bytes(maker, type, shape)
                                  : maker.Fresh(ElementType::kFloat, shape, {-30, 30});
  std::vector<Value> inputs = {x, Scales(maker, scales)};
  const bool has_zeros = !is_dequantizing || Chance(70);
  if (has_zeros) inputs.push_back(ZeroPoints(maker, type, scales));
  onnx::NodeProto* node =
      maker.Node(op, inputs, is_dequantizing ? ElementType::kFloat : type, shape);
  if (per_axis) AddInt(node, "axis", Chance(50) ? axis : axis - rank);
  if (!is_dequantizing) maker.LastIsRounded();
}

void AddBlocked(GraphMaker& maker, const std::string& op) {
  if (maker.opset() < 21) return;
  const auto type = AnyByte();
  const Shape shape = {Draw(1, 4), Draw(2, 6), Draw(1, 4)};
  const int64_t axis = Draw(0, 2);
  const int64_t block = Draw(2, 3);
  Shape scales = shape;
  auto& blocks = scales[static_cast<size_t>(axis)];
  blocks = (blocks + block - 1) / block;
  onnx::NodeProto* node = maker.Node(
      op, {Bytes(maker, type, shape), Scales(maker, scales), ZeroPoints(maker, type, scales)},
      ElementType::kFloat, shape);
  AddInt(node, "axis", axis);
  AddInt(node, "block_size", block);
}

// ONNX's numbers, which Debian's ONNX is too old to know.
constexpr int kFloat8E4M3 = 17;
constexpr int kFloat8E5M2 = 19;

// Weights in the floats of eight bits that exporters write.
void AddFloat8(GraphMaker& maker, const std::string& op) {
  if (maker.opset() < 19) return;
  const Shape shape = {Draw(1, 4), Draw(1, 4), Draw(1, 4)};
  const Value bytes =
      maker.Fresh(ElementType::kInt8, shape, {.least = -125, .most = 120, .constant = true});
  for (onnx::TensorProto& tensor : *maker.builder().get()->mutable_initializer()) {
    if (tensor.name() != bytes.name) continue;
    tensor.set_data_type(Chance(50) ? kFloat8E4M3 : kFloat8E5M2);
  }
  maker.ForgetLast();
  if (op == "Cast") {
    AddInt(maker.Node(op, {bytes}, ElementType::kFloat, shape), "to",
           static_cast<int64_t>(ElementType::kFloat));
    // Some are no numbers, which ONNX Runtime's maxima lose.
    maker.ForgetLast();
    return;
  }
  const int64_t axis = Draw(-3, 2);
  const bool per_axis = Chance(60);
  const Shape scales = per_axis ? Shape{shape[static_cast<size_t>((axis + 3) % 3)]} : Shape{};
  onnx::NodeProto* node =
      maker.Node(op, {bytes, Scales(maker, scales)}, ElementType::kFloat, shape);
  if (per_axis) AddInt(node, "axis", axis);
  maker.ForgetLast();
}

void AddDynamicQuantize(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Fresh(ElementType::kFloat, GraphMaker::RandomShape(1, 3));
  onnx::NodeProto* node = maker.Node(op, {x}, ElementType::kUint8, x.shape);
  maker.LastIsRounded();
  maker.Output(node, ElementType::kFloat, Shape{});
  maker.Output(node, ElementType::kUint8, Shape{});
  maker.LastIsRounded();
}

// A network's layer as exporters write it: a quantized weight, dequantized for what computes in
// floats.
void AddDequantizedMatMul(GraphMaker& maker, const std::string&) {
  const int64_t columns = Draw(1, 6);
  const Value x = maker.Operand(ElementType::kFloat, 2);
  const auto type = AnyByte();
  const bool per_axis = maker.opset() >= 13 && Chance(60);
  const Shape scales = per_axis ? Shape{columns} : Shape{};
  const Shape shape = {x.shape->back(), columns};
  const Value w = maker.Fresh(type, shape, {.least = 0, .most = 100, .constant = true});
  onnx::NodeProto* node =
      maker.Node("DequantizeLinear", {w, Scales(maker, scales), ZeroPoints(maker, type, scales)},
                 ElementType::kFloat, shape);
  if (per_axis) AddInt(node, "axis", 1);
  const Value floats{node->output(0), ElementType::kFloat, shape};
  Shape result = *x.shape;
  result.back() = columns;
  maker.Node("MatMul", {x, floats}, ElementType::kFloat, result);
}

void AddMatMulInteger(GraphMaker& maker, const std::string& op) {
  const Shape a = {Draw(1, 4), Draw(1, 20)};
  const Shape b = {a[1], Draw(1, 7)};
  const auto type_of_a = ElementType::kUint8;
  const auto type_of_b = AnyByte();
  std::vector<Value> inputs = {Bytes(maker, type_of_a, a), Bytes(maker, type_of_b, b)};
  if (Chance(60)) {
    inputs.push_back(ZeroPoints(maker, type_of_a, {}));
    if (Chance(60)) {
      inputs.push_back(ZeroPoints(maker, type_of_b, Chance(50) ? Shape{} : Shape{b[1]}));
    }
  }
  maker.Node(op, inputs, ElementType::kInt32, Shape{a[0], b[1]});
}

void AddQLinearMatMul(GraphMaker& maker, const std::string& op) {
  const Shape a = {Draw(1, 4), Draw(1, 20)};
  const Shape b = {a[1], Draw(1, 7)};
  const auto type = AnyByte();
  const auto type_of_b = type == ElementType::kInt8 ? ElementType::kInt8 : AnyByte();
  const Shape scales = Chance(50) ? Shape{} : Shape{b[1]};
  maker.Node(op,
             {Bytes(maker, type, a), Scales(maker, {}), ZeroPoints(maker, type, {}),
              Bytes(maker, type_of_b, b), Scales(maker, scales),
              ZeroPoints(maker, type_of_b, scales), Scales(maker, {}), ZeroPoints(maker, type, {})},
             type, Shape{a[0], b[1]});
  maker.LastIsRounded();
}

void AddIntegerConv(GraphMaker& maker, const std::string& op) {
  const WindowCase window = DrawWindow(2);
  const bool quantizes = op == "QLinearConv";
  const int64_t groups = OneOf<int64_t>({1, 1, 2});
  const int64_t in_group = Draw(1, 3);
  const int64_t outputs = groups * Draw(1, 3);
  const auto type = ElementType::kUint8;
  const auto type_of_w = AnyByte();
  Shape x = {1, groups * in_group};
  Shape w = {outputs, in_group};
  x.insert(x.end(), window.input.begin(), window.input.end());
  w.insert(w.end(), window.kernel.begin(), window.kernel.end());
  const Value xs = Bytes(maker, type, x);
  const Value ws = maker.Fresh(type_of_w, w, {.least = 0, .most = 60, .constant = quantizes});
  std::vector<Value> inputs = {xs, ws};
  if (quantizes) {
    const Shape scales = Chance(50) ? Shape{} : Shape{outputs};
    inputs = {xs,
              Scales(maker, {}),
              ZeroPoints(maker, type, {}),
              ws,
              Scales(maker, scales),
              ZeroPoints(maker, type_of_w, {}),
              Scales(maker, {}),
              ZeroPoints(maker, type, {})};
    if (Chance(50)) {
      inputs.push_back(maker.Fresh(ElementType::kInt32, {outputs},
                                   {.least = -500, .most = 500, .constant = true}));
    }
  } else if (Chance(60)) {
    inputs.push_back(ZeroPoints(maker, type, {}));
  }
  onnx::NodeProto* node =
      maker.Node(op, inputs, quantizes ? type : ElementType::kInt32, std::nullopt);
  AddWindowAttributes(node, window);
  if (groups > 1) AddInt(node, "group", groups);
  if (quantizes) maker.LastIsRounded();
}

}  // namespace

std::vector<NamedRecipe> QuantizedRecipes() {
  return {{"QuantizeLinear", AddQuantize},
          {"DequantizeLinear", AddQuantize},
          {"DequantizeLinear", AddBlocked},
          {"DequantizeLinear", AddDequantizedMatMul},
          {"DequantizeLinear", AddFloat8},
          {"Cast", AddFloat8},
          {"DynamicQuantizeLinear", AddDynamicQuantize},
          {"MatMulInteger", AddMatMulInteger},
          {"QLinearMatMul", AddQLinearMatMul},
          {"ConvInteger", AddIntegerConv},
          {"QLinearConv", AddIntegerConv}};
}

}  // namespace ephemeralml::differential
