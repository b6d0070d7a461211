// Products, convolutions, pools and normalizations.

#include "tests/differential/window_attributes.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddInt;
using decompose::testing::AddInts;

Value Floats(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape);
}

void AddMatMul(GraphMaker& maker, const std::string& op) {
  const Value a = maker.Operand(ElementType::kFloat, 1);
  Shape b =
      a.shape->size() > 2 && Chance(40) ? Shape(a.shape->begin(), a.shape->end() - 2) : Shape{};
  for (int64_t& size : b) {
    if (Chance(30)) size = 1;
  }
  b.push_back(a.shape->back());
  // Of a vector without elements ONNX Runtime leaves its result as it finds the memory.
  if (b.size() > 1 || b[0] == 0 || Chance(80)) b.push_back(Draw(1, 6));
  maker.Node(op, {a, Floats(maker, b)}, ElementType::kFloat, std::nullopt);
}

void AddGemm(GraphMaker& maker, const std::string& op) {
  const Value a = maker.Operand(ElementType::kFloat, 2, 2);
  const bool turns_a = Chance(30);
  const bool turns_b = Chance(50);
  const int64_t rows = (*a.shape)[turns_a ? 1 : 0];
  const int64_t inner = (*a.shape)[turns_a ? 0 : 1];
  // ONNX Runtime forgets beta where there is nothing to multiply.
  if (inner == 0) return;
  const int64_t columns = Draw(1, 6);
  std::vector<Value> inputs = {
      a, Floats(maker, turns_b ? Shape{columns, inner} : Shape{inner, columns})};
  if (Chance(60)) {
    inputs.push_back(Floats(
        maker, OneOf<Shape>({{columns}, {1, columns}, {rows, 1}, {rows, columns}, {1}, {}})));
  }
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, Shape{rows, columns});
  if (turns_a) AddInt(node, "transA", 1);
  if (turns_b) AddInt(node, "transB", 1);
  if (Chance(30)) AddFloat(node, "alpha", 0.5F);
  if (Chance(30)) AddFloat(node, "beta", 0.25F);
}

void AddConv(GraphMaker& maker, const std::string& op) {
  WindowCase window = DrawWindow(OneOf<int64_t>({1, 2, 2, 2, 3}));
  const bool transposes = op == "ConvTranspose";
  window.avoids_gaps = transposes;
  const int64_t groups = OneOf<int64_t>({1, 1, 2, 4});
  const int64_t in_group = groups == 4 ? 1 : Draw(1, 3);
  const int64_t out_group = Draw(1, 3);
  Shape x = {Draw(0, 9) == 0 ? 0 : Draw(1, 2), groups * in_group};
  Shape w = transposes ? Shape{groups * in_group, out_group} : Shape{groups * out_group, in_group};
  x.insert(x.end(), window.input.begin(), window.input.end());
  w.insert(w.end(), window.kernel.begin(), window.kernel.end());
  std::vector<Value> inputs = {Floats(maker, x), Floats(maker, w)};
  if (Chance(50)) inputs.push_back(Floats(maker, {groups * out_group}));
  onnx::NodeProto* node = maker.Node(op, inputs, ElementType::kFloat, std::nullopt);
  AddWindowAttributes(node, window);
  if (groups > 1) AddInt(node, "group", groups);
  if (Chance(50)) AddInts(node, "kernel_shape", window.kernel);
}

void AddPool(GraphMaker& maker, const std::string& op) {
  WindowCase window = DrawWindow(OneOf<int64_t>({1, 2, 2, 3}));
  window.avoids_gaps = true;
  const bool averages = op == "AveragePool";
  window.has_dilations = !averages || maker.opset() >= 19;
  Shape x = {Draw(1, 2), Draw(1, 3)};
  x.insert(x.end(), window.input.begin(), window.input.end());
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, x)}, ElementType::kFloat, std::nullopt);
  AddInts(node, "kernel_shape", window.kernel);
  AddWindowAttributes(node, window);
  if (Chance(40)) AddInt(node, "ceil_mode", 1);
  if (averages && Chance(40)) AddInt(node, "count_include_pad", 1);
}

void AddGlobalPool(GraphMaker& maker, const std::string& op) {
  Shape x = {Draw(1, 2), Draw(1, 3)};
  for (int64_t axes = Draw(1, 3); axes > 0; --axes) x.push_back(Draw(1, 5));
  Shape y = x;
  std::fill(y.begin() + 2, y.end(), 1);
  maker.Node(op, {Floats(maker, x)}, ElementType::kFloat, y);
}

void AddBatchNormalization(GraphMaker& maker, const std::string& op) {
  const Shape x = {Draw(1, 2), Draw(1, 4), Draw(1, 5)};
  std::vector<Value> inputs = {Floats(maker, x)};
  for (int i = 0; i < 3; ++i) inputs.push_back(Floats(maker, {x[1]}));
  inputs.push_back(maker.Fresh(ElementType::kFloat, {x[1]}, {0.1, 3}));
  maker.Node(op, inputs, ElementType::kFloat, x);
}

void AddInstanceNormalization(GraphMaker& maker, const std::string& op) {
  const Shape x = {Draw(1, 2), Draw(1, 4), Draw(2, 5), Draw(1, 3)};
  maker.Node(op, {Floats(maker, x), Floats(maker, {x[1]}), Floats(maker, {x[1]})},
             ElementType::kFloat, x);
}

void AddLayerNormalization(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Shape x = {Draw(1, 3), Draw(1, 4), Draw(2, 8)};
  const int64_t axis = Draw(-3, 2);
  const Shape inner(x.begin() + (axis + 3) % 3, x.end());
  std::vector<Value> inputs = {Floats(maker, x), Floats(maker, inner)};
  if (Chance(60)) inputs.push_back(Floats(maker, inner));
  AddInt(maker.Node(op, inputs, ElementType::kFloat, x), "axis", axis);
}

void AddRmsNormalization(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Shape x = {Draw(1, 3), Draw(1, 4), Draw(2, 8)};
  const int64_t axis = Draw(-3, 2);
  const Shape inner(x.begin() + (axis + 3) % 3, x.end());
  onnx::NodeProto* node =
      maker.Node(op, {Floats(maker, x), Floats(maker, inner)}, ElementType::kFloat, x);
  AddInt(node, "axis", axis);
  if (Chance(50)) AddFloat(node, "epsilon", 0.01F);
}

void AddEinsum(GraphMaker& maker, const std::string& op) {
  const int64_t i = Draw(1, 4);
  const int64_t j = Draw(1, 4);
  const int64_t k = Draw(1, 4);
  struct Case {
    std::string equation;
    std::vector<Shape> shapes;
  };
  const Case chosen = OneOf<Case>({{"ij,jk->ik", {{i, j}, {j, k}}},
                                   {"bij,bjk->bik", {{2, i, j}, {2, j, k}}},
                                   {"...ij,...kj->...ik", {{2, i, j}, {2, k, j}}},
                                   {"ij->ji", {{i, j}}},
                                   {"ij->i", {{i, j}}},
                                   {"ii->i", {{i, i}}},
                                   {"i,j->ij", {{i}, {j}}},
                                   {"bhid,bhjd->bhij", {{2, 2, i, j}, {2, 2, k, j}}},
                                   {"ij,jk,ik", {{i, j}, {j, k}, {i, k}}}});
  std::vector<Value> inputs;
  for (const Shape& shape : chosen.shapes) inputs.push_back(Floats(maker, shape));
  decompose::testing::AddString(maker.Node(op, inputs, ElementType::kFloat, std::nullopt),
                                "equation", chosen.equation);
}

void AddDet(GraphMaker& maker, const std::string& op) {
  const int64_t size = Draw(1, 4);
  Shape x = Chance(50) ? Shape{Draw(1, 3)} : Shape{};
  const Shape y = x;
  x.insert(x.end(), {size, size});
  maker.Node(op, {Floats(maker, x)}, ElementType::kFloat, y);
}

}  // namespace

std::vector<NamedRecipe> DenseRecipes() {
  return {{"MatMul", AddMatMul},
          {"MatMul", AddMatMul},
          {"Gemm", AddGemm},
          {"Gemm", AddGemm},
          {"Conv", AddConv},
          {"Conv", AddConv},
          {"Conv", AddConv},
          {"ConvTranspose", AddConv},
          {"MaxPool", AddPool},
          {"AveragePool", AddPool},
          {"GlobalAveragePool", AddGlobalPool},
          {"GlobalMaxPool", AddGlobalPool},
          {"BatchNormalization", AddBatchNormalization},
          {"InstanceNormalization", AddInstanceNormalization},
          {"LayerNormalization", AddLayerNormalization},
          {"RMSNormalization", AddRmsNormalization},
          {"Einsum", AddEinsum},
          {"Det", AddDet}};
}

}  // namespace ephemeralml::differential
