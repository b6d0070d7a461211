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

const onnx::Tensor* MatrixConstant(const Program& program, ValueId value) {
  const onnx::Tensor* tensor = FloatConstant(program, value);
  if (tensor == nullptr || tensor->dims.size() != 2) return nullptr;
  return tensor->dims[0] > 0 && tensor->dims[1] > 0 ? tensor : nullptr;
}

bool SwapsTwoAxes(const ProgramNode& transpose) {
  const auto order = IntsAttribute(transpose, "perm");
  return !order || *order == std::vector<int64_t>{1, 0};
}

std::optional<Product> MatMulProduct(const Rewriter& rewriter, const ProgramNode& node) {
  ValueId weight = InputOf(node, 1);
  const ProgramNode* transpose = rewriter.Producer(weight, "Transpose");
  const bool transposed =
      transpose != nullptr && rewriter.OnlyUser(weight) == &node && SwapsTwoAxes(*transpose);
  if (transposed) weight = transpose->inputs[0];
  const onnx::Tensor* matrix = MatrixConstant(rewriter.program(), weight);
  if (matrix == nullptr) return std::nullopt;
  return Product{weight, transposed, matrix->dims[transposed ? 0 : 1], nullptr};
}

std::optional<Product> GemmProduct(const Rewriter& rewriter, const Facts& facts,
                                   const ProgramNode& node) {
  const bool is_plain = FloatAttribute(node, "alpha").value_or(1) == 1.0F &&
                        FloatAttribute(node, "beta").value_or(1) == 1.0F &&
                        IntAttribute(node, "transA").value_or(0) == 0;
  const ValueId weight = InputOf(node, 1);
  const onnx::Tensor* matrix = is_plain ? MatrixConstant(rewriter.program(), weight) : nullptr;
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
  std::vector<ValueId> inputs = {node.inputs[0], product->weight};
  if (epilogue.residual != 0) inputs.push_back(epilogue.residual);
  rewriter.program().packings[product->weight] = {
      .transposed = product->transposed, .bias = epilogue.bias, .channel_scale = {}};
  rewriter.Replace(epilogue.last, OwnNode("MatMul", std::move(inputs), epilogue.last->outputs[0],
                                          ActivationAttributes(epilogue.activation)));
}

}  // namespace

void FuseMatMul(Program& program, ProgramGraph& graph, const Facts& facts) {
  Rewriter rewriter(program, graph);
  rewriter.ForEach([&](const ProgramNode& node) {
    if (Is(node, "MatMul") || Is(node, "Gemm")) TryFuse(rewriter, facts, node);
  });
  rewriter.Finish();
}

}  // namespace ephemeralml::decompose
