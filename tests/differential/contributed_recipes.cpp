// ONNX Runtime's own operators, domain com.microsoft.

#include "tests/differential/graph_maker.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddInt;
using decompose::testing::AddInts;
using decompose::testing::AddString;

constexpr const char* kDomain = "com.microsoft";
const Value kNone = {"", ElementType::kFloat, std::nullopt};

Value Floats(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape);
}
Value Bytes(GraphMaker& maker, ElementType type, const Shape& shape, bool constant = false) {
  const bool is_signed = type == ElementType::kInt8;
  return maker.Fresh(type, shape, {is_signed ? -60.0 : 0.0, is_signed ? 60.0 : 120.0, constant});
}
Value Scales(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape, {.least = 0.01, .most = 0.2, .constant = true});
}
Value Zero(GraphMaker& maker, ElementType type) {
  return maker.Fresh(type, {}, {.least = 0, .most = 9, .constant = true});
}

void AddActivation(GraphMaker& maker, const std::string& op) {
  const Value x = maker.Operand(ElementType::kFloat, 1);
  std::vector<Value> inputs = {x};
  const bool has_bias = op == "BiasGelu" || (op == "FastGelu" && Chance(50));
  if (has_bias) inputs.push_back(Floats(maker, {x.shape->back()}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, x.shape, kDomain);
  if (op == "QuickGelu" && Chance(50)) AddFloat(node, "alpha", 1.25F);
}

void AddFusedMatMul(GraphMaker& maker, const std::string& op) {
  const Shape batch = GraphMaker::RandomShape(0, 2);
  const int64_t rows = Draw(1, 4);
  const int64_t inner = Draw(1, 4);
  const int64_t columns = Draw(1, 4);
  const bool turns_a = Chance(50);
  const bool turns_b = Chance(50);
  Shape a = batch;
  Shape b = Chance(50) ? batch : Shape{};
  a.insert(a.end(), {turns_a ? inner : rows, turns_a ? rows : inner});
  b.insert(b.end(), {turns_b ? columns : inner, turns_b ? inner : columns});
  Shape y = batch;
  y.insert(y.end(), {rows, columns});
  onnx::NodeProto* node =
      maker.Node(op, {Floats(maker, a), Floats(maker, b)}, ElementType::kFloat, y, kDomain);
  if (turns_a) AddInt(node, "transA", 1);
  if (turns_b) AddInt(node, "transB", 1);
  if (Chance(50)) AddFloat(node, "alpha", 0.5F);
}

void AddSkipNormalization(GraphMaker& maker, const std::string& op) {
  const Shape shape = {Draw(1, 2), Draw(1, 3), 4 * Draw(1, 3)};
  const Value x = Floats(maker, shape);
  const bool is_simple = op == "SkipSimplifiedLayerNormalization";
  std::vector<Value> inputs = {x, Floats(maker, shape), Floats(maker, {shape[2]})};
  if (!is_simple) inputs.push_back(Chance(60) ? Floats(maker, {shape[2]}) : kNone);
  if (Chance(50)) inputs.push_back(Floats(maker, {shape[2]}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, shape, kDomain);
  AddFloat(node, "epsilon", 1e-5F);
  if (!Chance(50)) return;
  node->add_output("");
  node->add_output("");
  maker.Output(node, ElementType::kFloat, shape);
}

// Where exporters put it before ai.onnx had it.
void AddSimplifiedNormalization(GraphMaker& maker, const std::string& op) {
  const Shape shape = {Draw(1, 2), Draw(1, 3), 4 * Draw(1, 3)};
  onnx::NodeProto* node =
      maker.Node(op, {Floats(maker, shape), Floats(maker, {shape[2]})}, ElementType::kFloat, shape);
  AddFloat(node, "epsilon", 1e-5F);
  AddInt(node, "axis", -1);
}

void AddEmbedding(GraphMaker& maker, const std::string& op) {
  const int64_t columns = 4 * Draw(1, 2);
  const Shape ids = {Draw(1, 2), Draw(1, 4)};
  const bool has_segments = Chance(60);
  const Numbers words = {0, 5};
  std::vector<Value> inputs = {maker.Fresh(ElementType::kInt32, ids, words),
                               has_segments ? maker.Fresh(ElementType::kInt32, ids, {0, 1}) : kNone,
                               Floats(maker, {6, columns}),
                               Floats(maker, {5, columns}),
                               has_segments ? Floats(maker, {2, columns}) : kNone,
                               Floats(maker, {columns}),
                               Floats(maker, {columns})};
  const bool has_mask = Chance(50);
  if (has_mask) inputs.push_back(maker.Fresh(ElementType::kInt32, ids, {1, 1}));
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat, Shape{ids[0], ids[1], columns}, kDomain);
  maker.Output(node, ElementType::kInt32, Shape{ids[0]});
}

void AddFusedConv(GraphMaker& maker, const std::string& op) {
  const int64_t channels = Draw(1, 3);
  const int64_t outputs = Draw(1, 3);
  std::vector<Value> inputs = {Floats(maker, {1, channels, 6, 6}),
                               Floats(maker, {outputs, channels, 3, 3}), Floats(maker, {outputs})};
  if (Chance(40)) inputs.push_back(Floats(maker, {1, outputs, 6, 6}));
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat, Shape{1, outputs, 6, 6}, kDomain);
  AddInts(node, "pads", {1, 1, 1, 1});
  const auto activation =
      OneOf<std::string>({"Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid"});
  AddString(node, "activation", activation);
  std::vector<float> numbers;
  if (activation == "LeakyRelu") numbers = {0.125F};
  if (activation == "Clip") numbers = {-0.5F, 1.5F};
  if (activation == "HardSigmoid") numbers = {0.25F, 0.5F};
  if (numbers.empty()) return;
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name("activation_params");
  attribute->set_type(onnx::AttributeProto::FLOATS);
  attribute->mutable_floats()->Add(numbers.begin(), numbers.end());
}

void AddDynamicMatMul(GraphMaker& maker, const std::string& op) {
  const Shape a = {Draw(1, 4), Draw(1, 9)};
  const Shape b = {a[1], Draw(1, 5)};
  const auto type = OneOf<ElementType>({ElementType::kInt8, ElementType::kUint8});
  const Shape scales = Chance(50) ? Shape{} : Shape{b[1]};
  std::vector<Value> inputs;
  if (op == "DynamicQuantizeMatMul") {
    inputs = {Floats(maker, a), Bytes(maker, type, b, true), Scales(maker, scales)};
  } else {
    inputs = {Bytes(maker, ElementType::kUint8, a), Bytes(maker, type, b, true), Scales(maker, {}),
              Scales(maker, scales), Zero(maker, ElementType::kUint8)};
  }
  inputs.push_back(Zero(maker, type));
  if (Chance(50)) inputs.push_back(Floats(maker, {b[1]}));
  maker.Node(op, inputs, ElementType::kFloat, Shape{a[0], b[1]}, kDomain);
}

void AddQLinear(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>({ElementType::kInt8, ElementType::kUint8});
  Shape shape = {Draw(1, 2), Draw(1, 3), Draw(1, 4), Draw(1, 4)};
  const auto add = [&](std::vector<Value>& inputs, const Shape& extents) {
    inputs.push_back(Bytes(maker, type, extents));
    inputs.push_back(Scales(maker, {}));
    inputs.push_back(Zero(maker, type));
  };
  std::vector<Value> inputs;
  if (op == "QLinearConcat") inputs = {Scales(maker, {}), Zero(maker, type)};
  add(inputs, shape);
  if (op == "QLinearAdd" || op == "QLinearMul") add(inputs, Shape{shape[3]});
  if (op == "QLinearConcat") {
    add(inputs, shape);
  } else {
    inputs.push_back(Scales(maker, {}));
    inputs.push_back(Zero(maker, type));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, type, std::nullopt, kDomain);
  if (op == "QLinearConcat") AddInt(node, "axis", Draw(0, 3));
  if (op == "QLinearLeakyRelu") AddFloat(node, "alpha", 0.125F);
  if (op == "QLinearGlobalAveragePool") AddInt(node, "channels_last", 0);
  maker.LastIsRounded();
}

void AddQGemm(GraphMaker& maker, const std::string& op) {
  const bool turns_b = Chance(50);
  const Shape a = {Draw(1, 4), Draw(1, 9)};
  const int64_t columns = Draw(1, 5);
  const auto type = ElementType::kUint8;
  const auto type_of_b = OneOf<ElementType>({ElementType::kInt8, ElementType::kUint8});
  std::vector<Value> inputs = {
      Bytes(maker, type, a),
      Scales(maker, {}),
      Zero(maker, type),
      Bytes(maker, type_of_b, turns_b ? Shape{columns, a[1]} : Shape{a[1], columns}, true),
      Scales(maker, {}),
      Zero(maker, type_of_b)};
  const bool quantizes = Chance(50);
  inputs.push_back(Chance(60) ? maker.Fresh(ElementType::kInt32, {columns}, {-90, 90, true})
                              : kNone);
  if (quantizes) {
    inputs.push_back(Scales(maker, {}));
    inputs.push_back(Zero(maker, type));
  }
  onnx::NodeProto* node =
      maker.Node(op, inputs, quantizes ? type : ElementType::kFloat, Shape{a[0], columns}, kDomain);
  if (turns_b) AddInt(node, "transB", 1);
  if (quantizes) maker.LastIsRounded();
}

void AddMatMulNBits(GraphMaker& maker, const std::string& op) {
  const int64_t bits = OneOf<int64_t>({4, 4, 8});
  const int64_t block = OneOf<int64_t>({16, 32});
  const int64_t inner = Draw(1, 40);
  const int64_t columns = Draw(1, 5);
  const int64_t blocks = (inner + block - 1) / block;
  const Numbers bytes = {.least = 0, .most = 255, .constant = true};
  std::vector<Value> inputs = {
      Floats(maker, {Draw(1, 3), inner}),
      maker.Fresh(ElementType::kUint8, {columns, blocks, block * bits / 8}, bytes),
      Scales(maker, {columns * blocks})};
  const bool has_bias = Chance(40);
  if (Chance(50)) {
    const int64_t zeros = (blocks * bits + 7) / 8;
    inputs.push_back(maker.Fresh(ElementType::kUint8, {columns * zeros}, bytes));
  } else if (has_bias) {
    inputs.push_back(kNone);
  }
  if (has_bias) inputs.insert(inputs.end(), {kNone, Floats(maker, {columns})});
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, std::nullopt, kDomain);
  AddInt(node, "K", inner);
  AddInt(node, "N", columns);
  AddInt(node, "bits", bits);
  AddInt(node, "block_size", block);
}

// In halves, of numbers whose sums halves hold exactly.
void AddHalfMatMulNBits(GraphMaker& maker, const std::string& op) {
  const int64_t inner = Draw(1, 40);
  const int64_t columns = Draw(1, 5);
  const int64_t blocks = (inner + 15) / 16;
  const Shape a = {Draw(1, 3), inner};
  const Numbers scale = {.least = 0.0625, .most = 0.0625, .constant = true};
  const Value x = maker.Fresh(ElementType::kInt32, a, {-2, 2});
  onnx::NodeProto* narrow = maker.Node("Cast", {x}, ElementType::kFloat16, a);
  AddInt(narrow, "to", static_cast<int64_t>(ElementType::kFloat16));
  std::vector<Value> inputs = {
      {narrow->output(0), ElementType::kFloat16, a},
      maker.Fresh(ElementType::kUint8, {columns, blocks, 8}, {0, 255, true}),
      maker.Fresh(ElementType::kFloat16, {columns * blocks}, scale)};
  if (Chance(40)) {
    inputs.insert(inputs.end(), {kNone, kNone});
    inputs.push_back(maker.Fresh(ElementType::kFloat16, {columns}, scale));
  }
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat16, Shape{a[0], columns}, kDomain);
  AddInt(node, "K", inner);
  AddInt(node, "N", columns);
  AddInt(node, "bits", 4);
  AddInt(node, "block_size", 16);
  const Value halves = {node->output(0), ElementType::kFloat16, Shape{a[0], columns}};
  AddInt(maker.Node("Cast", {halves}, ElementType::kFloat, halves.shape), "to",
         static_cast<int64_t>(ElementType::kFloat));
}

void AddBlockedGather(GraphMaker& maker, const std::string& op) {
  const int64_t bits = OneOf<int64_t>({4, 8});
  const int64_t block = OneOf<int64_t>({16, 32});
  const int64_t rows = Draw(1, 5);
  const int64_t columns = 2 * Draw(1, 30);
  const int64_t blocks = (columns + block - 1) / block;
  const Numbers bytes = {.least = 0, .most = 255, .constant = true};
  const Shape places = GraphMaker::RandomShape(0, 2);
  std::vector<Value> inputs = {
      maker.Fresh(ElementType::kUint8, {rows, columns * bits / 8}, bytes),
      maker.Fresh(ElementType::kInt64, places, {0, static_cast<double>(rows - 1)}),
      Scales(maker, {rows, blocks})};
  if (Chance(50)) {
    inputs.push_back(maker.Fresh(ElementType::kUint8, {rows, (blocks * bits + 7) / 8}, bytes));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, std::nullopt, kDomain);
  AddInt(node, "bits", bits);
  AddInt(node, "block_size", block);
  AddInt(node, "quantize_axis", 1);
}

void AddFusedGemm(GraphMaker& maker, const std::string& op) {
  const Shape y = {Draw(1, 4), Draw(1, 4)};
  const int64_t inner = Draw(1, 4);
  const bool turns = Chance(50);
  onnx::NodeProto* node =
      maker.Node(op,
                 {Floats(maker, turns ? Shape{inner, y[0]} : Shape{y[0], inner}),
                  Floats(maker, {inner, y[1]}), Floats(maker, {y[1]})},
                 ElementType::kFloat, y, kDomain);
  if (turns) AddInt(node, "transA", 1);
  if (Chance(50)) AddFloat(node, "alpha", 0.5F);
  const auto activation = OneOf<std::string>({"Relu", "Tanh", "Sigmoid", "LeakyRelu"});
  AddString(node, "activation", activation);
  if (activation == "LeakyRelu") AddFloat(node, "activation_alpha", 0.125F);
}

void AddQLinearOfFewer(GraphMaker& maker, const std::string& op) {
  const auto type = OneOf<ElementType>({ElementType::kInt8, ElementType::kUint8});
  const Shape shape = {Draw(1, 2), Draw(1, 3), Draw(3, 6), Draw(3, 6)};
  std::vector<Value> inputs;
  const bool chooses = op == "QLinearWhere";
  if (chooses) inputs.push_back(maker.Fresh(ElementType::kBool, shape));
  for (int i = 0; i < (chooses ? 2 : 1); ++i) {
    const bool is_first = i == 0;
    inputs.push_back(Bytes(maker, type, is_first ? shape : Shape{shape[3]}));
    inputs.push_back(Scales(maker, {}));
    inputs.push_back(Zero(maker, type));
  }
  const bool is_softmax = op == "QLinearSoftmax";
  // What exceeds the range ONNX Runtime's softmax wraps around: scales that reach one below it.
  inputs.push_back(is_softmax ? maker.Fresh(ElementType::kFloat, {}, {0.01, 0.01, true})
                              : Scales(maker, {}));
  inputs.push_back(Zero(maker, type));
  onnx::NodeProto* node = maker.Node(op, inputs, type, std::nullopt, kDomain);
  if (is_softmax) {
    AddInt(node, "opset", maker.opset());
    AddInt(node, "axis", Draw(1, 3));
  }
  if (op == "QLinearAveragePool") {
    AddInts(node, "kernel_shape", {Draw(1, 3), Draw(1, 3)});
    if (Chance(50)) AddInts(node, "strides", {Draw(1, 2), Draw(1, 2)});
  }
  maker.LastIsRounded();
}

}  // namespace

std::vector<NamedRecipe> ContributedRecipes() {
  std::vector<NamedRecipe> recipes = {{"FusedMatMul", AddFusedMatMul},
                                      {"SkipLayerNormalization", AddSkipNormalization},
                                      {"SkipSimplifiedLayerNormalization", AddSkipNormalization},
                                      {"SimplifiedLayerNormalization", AddSimplifiedNormalization},
                                      {"EmbedLayerNormalization", AddEmbedding},
                                      {"FusedConv", AddFusedConv},
                                      {"DynamicQuantizeMatMul", AddDynamicMatMul},
                                      {"MatMulIntegerToFloat", AddDynamicMatMul},
                                      {"QGemm", AddQGemm},
                                      {"MatMulNBits", AddMatMulNBits},
                                      {"MatMulNBits", AddHalfMatMulNBits},
                                      {"GatherBlockQuantized", AddBlockedGather},
                                      {"FusedGemm", AddFusedGemm}};
  for (const char* op : {"Gelu", "BiasGelu", "FastGelu", "QuickGelu"}) {
    recipes.push_back({op, AddActivation});
  }
  for (const char* op : {"QLinearAveragePool", "QLinearSoftmax", "QLinearWhere"}) {
    recipes.push_back({op, AddQLinearOfFewer});
  }
  for (const char* op : {"QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu",
                         "QLinearConcat", "QLinearGlobalAveragePool"}) {
    recipes.push_back({op, AddQLinear});
  }
  return recipes;
}

}  // namespace ephemeralml::differential
