#include <algorithm>

#include "client/decompose/prepare/epilogue.h"
#include "client/decompose/prepare/passes.h"
#include "client/decompose/prepare/shape_rules.h"

namespace ephemeralml::decompose {
namespace {

// A product with a constant matrix, as the model has it.
struct Product {
  ValueId weight = 0;
  bool transposed = false;
  int64_t columns = 0;
  const onnx::Tensor* bias = nullptr;
};

// A matrix of floats that nothing but `user` takes, lookups of rows apart: language models look
// words up in the table that they then multiply by.
const onnx::Tensor* OwnMatrix(const Rewriter& rewriter, ValueId value, const ProgramNode& user) {
  const onnx::Tensor* tensor = FloatConstant(rewriter.program(), value);
  if (tensor == nullptr || tensor->dims.size() != 2) return nullptr;
  const auto users = rewriter.Users(value);
  if (users.size() != rewriter.UseCount(value) || std::ranges::count(users, &user) != 1) {
    return nullptr;
  }
  const bool others_look_up = std::ranges::all_of(users, [&](const ProgramNode* other) {
    return other == &user || (Is(*other, "Gather") && other->inputs[0] == value &&
                              IntAttribute(*other, "axis").value_or(0) == 0);
  });
  return others_look_up && tensor->dims[0] > 0 && tensor->dims[1] > 0 ? tensor : nullptr;
}

// The matrix for this product alone: what lookups share is sealed a second time, packed.
ValueId WeightOf(const Rewriter& rewriter, const Product& product) {
  if (rewriter.UseCount(product.weight) == 1) return product.weight;
  Program& program = rewriter.program();
  const ValueId copy = program.next_id++;
  program.constants[copy] = program.constants.at(product.weight);
  return copy;
}

bool SwapsTwoAxes(const ProgramNode& transpose) {
  const auto order = IntsAttribute(transpose, "perm");
  return !order || *order == std::vector<int64_t>{1, 0};
}

std::optional<Product> MatMulProduct(const Rewriter& rewriter, const ProgramNode& node) {
  ValueId weight = InputOf(node, 1);
  const ProgramNode* user = &node;
  const ProgramNode* transpose = rewriter.Producer(weight, "Transpose");
  if (transpose != nullptr && rewriter.OnlyUser(weight) == &node && SwapsTwoAxes(*transpose)) {
    weight = transpose->inputs[0];
    user = transpose;
  }
  const bool transposed = user == transpose;
  const onnx::Tensor* matrix = OwnMatrix(rewriter, weight, *user);
  if (matrix == nullptr || InputOf(node, 0) == weight) return std::nullopt;
  return Product{weight, transposed, matrix->dims[transposed ? 0 : 1], nullptr};
}

std::optional<Product> GemmProduct(const Rewriter& rewriter, const Facts& facts,
                                   const ProgramNode& node) {
  const bool is_plain = FloatAttribute(node, "alpha").value_or(1) == 1.0F &&
                        FloatAttribute(node, "beta").value_or(1) == 1.0F &&
                        IntAttribute(node, "transA").value_or(0) == 0;
  const ValueId weight = InputOf(node, 1);
  const onnx::Tensor* matrix = is_plain ? OwnMatrix(rewriter, weight, node) : nullptr;
  if (matrix == nullptr) return std::nullopt;
  const bool transposed = IntAttribute(node, "transB").value_or(0) != 0;
  Product product{weight, transposed, matrix->dims[transposed ? 0 : 1], nullptr};
  if (const ValueId bias = InputOf(node, 2); bias != 0) {
    product.bias = RowConstant(rewriter.program(), facts, bias, product.columns, node.outputs[0]);
    if (product.bias == nullptr) return std::nullopt;
  }
  return product;
}

void TryFuse(Rewriter& rewriter, const Facts& facts, const ProgramNode& node) {
  const auto product =
      Is(node, "MatMul") ? MatMulProduct(rewriter, node) : GemmProduct(rewriter, facts, node);
  // A vector times a matrix has no rows.
  const SizeList* shape = facts.ShapeOf(node.outputs[0]);
  if (!product || (shape != nullptr && shape->size() < 2)) return;
  const auto find_bias = [&](ValueId value) {
    return RowConstant(rewriter.program(), facts, value, product->columns, node.outputs[0]);
  };
  const Epilogue epilogue = FollowEpilogue(rewriter, facts, node, product->bias, find_bias);
  const ValueId weight = WeightOf(rewriter, *product);
  std::vector<ValueId> inputs = {node.inputs[0], weight};
  if (epilogue.residual != 0) inputs.push_back(epilogue.residual);
  rewriter.program().packings[weight] = {
      .transposed = product->transposed, .bias = epilogue.bias, .channel_scale = {}};
  rewriter.Replace(epilogue.last, OwnNode("MatMul", std::move(inputs), epilogue.last->outputs[0],
                                          ActivationAttributes(epilogue.activation)));
}

}  // namespace

void FuseMatMul(Program& program, const Facts& facts) {
  Rewriter rewriter(program);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (Is(node, "MatMul") || Is(node, "Gemm")) TryFuse(rewriter, facts, node);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
