#include <algorithm>

#include "enclave/engine/kernels/broadcast.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Multiplies and adds: Y = alpha * A' * B' + beta * C, primes meaning "transposed if asked".
/// Shapes: A [M,K], B [K,N], C broadcastable to [M,N] or left out, Y [M,N]; float32, row-major.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid` (rank, the K's differ, C
/// doesn't broadcast), `input_invalid`. Source: ONNX operator Gemm, versions 7 to 13.
class Gemm final : public Kernel {
 public:
  Gemm(bool transpose_a, bool transpose_b, float alpha, float beta)
      : transpose_a_(transpose_a), transpose_b_(transpose_b), alpha_(alpha), beta_(beta) {}

  Done Run(KernelContext& context) const override {
    TRY(const MatrixInput a, ReadMatrix(context, 0, transpose_a_));
    TRY(const MatrixInput b, ReadMatrix(context, 1, transpose_b_));
    const Shape shape = {a.operand_rows(), b.operand_columns()};
    TRY(Tensor * y, context.Output(0, ElementType::kFloat, shape));
    const std::span<float> values = y->MutableValues<float>();
    if (context.HasInput(2)) TRY_OK(FillWithC(context, shape, values));
    return MultiplyInputs(context, a, b, values.data(), alpha_, context.HasInput(2) ? 1.0f : 0.0f);
  }

 private:
  static Result<MatrixInput> ReadMatrix(const KernelContext& context, size_t index,
                                        bool transposed) {
    TRY_OK(RequireFloat(context, index));
    const Shape& shape = context.InputShape(index);
    if (shape.size() != 2) return ShapeInvalid("Gemm: A and B must be matrices");
    return MatrixInput{index, shape[0], shape[1], transposed};
  }

  Done FillWithC(KernelContext& context, const Shape& shape, std::span<float> y) const {
    TRY_OK(RequireFloat(context, 2));
    TRY(const TensorView c, context.Input(2));
    TRY(const Broadcast broadcast, Broadcast::Create({&c.shape, &shape}));
    if (broadcast.output_shape() != shape) {
      return ShapeInvalid("Gemm: C doesn't broadcast to the product's shape");
    }
    const std::span<const float> values = c.Values<float>();
    broadcast.ForEachRun(0, broadcast.count(), [&](const Broadcast::Run& run) {
      for (size_t i = 0; i < run.length; ++i) {
        y[run.output + i] = beta_ * values[run.operand[0] + i * broadcast.step(0)];
      }
    });
    return {};
  }

  bool transpose_a_;
  bool transpose_b_;
  float alpha_;
  float beta_;
};

}  // namespace

MadeKernel MakeGemm(const NodeSpec& node) {
  // C may be left out since version 11.
  TRY_OK(CheckArity(node, {.least_inputs = node.opset < 11 ? 3u : 2u, .most_inputs = 3}));
  TRY(const int64_t transpose_a, node.attributes.Int("transA", 0));
  TRY(const int64_t transpose_b, node.attributes.Int("transB", 0));
  TRY(const float alpha, node.attributes.Float("alpha", 1));
  TRY(const float beta, node.attributes.Float("beta", 1));
  return std::make_unique<Gemm>(transpose_a != 0, transpose_b != 0, alpha, beta);
}

}  // namespace ephemeralml::engine::kernels
