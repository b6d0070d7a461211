#include <algorithm>

#include "enclave/engine/kernels/dense.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/matrix_stacks.h"
#include "enclave/engine/kernels/strided_copy.h"

namespace ephemeralml::engine::kernels {
namespace {

// How one operand is to be turned before it is multiplied.
struct Turn {
  bool matrix = false;  // its last two axes are exchanged
  bool batch = false;   // its first axis stands before its last: the rest move up
};

struct Turned {
  Shape shape;
  const float* values = nullptr;
  ArenaBlock block;
};

// The axes of a tensor in their new order. What has fewer than two axes stays as it is.
std::vector<size_t> AxesOf(size_t rank, const Turn& turn) {
  std::vector<size_t> axes(rank);
  for (size_t i = 0; i < rank; ++i) axes[i] = i;
  if (rank < 2) return axes;
  if (turn.batch) std::rotate(axes.begin(), axes.begin() + 1, axes.end() - 1);
  if (turn.matrix) std::swap(axes[rank - 2], axes[rank - 1]);
  return axes;
}

Result<Turned> Apply(KernelContext& context, size_t index, const Turn& turn) {
  TRY_OK(RequireFloat(context, index));
  TRY(const TensorView view, context.Input(index));
  Turned turned{view.shape, Raw<float>(view), {}};
  const std::vector<size_t> axes = AxesOf(view.shape.size(), turn);
  if (std::ranges::is_sorted(axes)) return turned;
  for (size_t i = 0; i < axes.size(); ++i) turned.shape[i] = view.shape[axes[i]];
  TRY(turned.block, context.Scratch(view.bytes.size()));
  const std::vector<int64_t> from = Strides(view.shape);
  const std::vector<int64_t> to = Strides(turned.shape);
  std::vector<BoxAxis> box;
  for (size_t i = 0; i < axes.size(); ++i) {
    box.push_back({turned.shape[i], from[axes[i]], to[i]});
  }
  CopyBox(context.threads(), sizeof(float), box, view.bytes.data(), turned.block.bytes().data());
  turned.values = reinterpret_cast<const float*>(turned.block.bytes().data());
  return turned;
}

class FusedMatMul final : public Kernel {
 public:
  FusedMatMul(Turn a, Turn b, float alpha) : a_(a), b_(b), alpha_(alpha) {}

  Done Run(KernelContext& context) const override {
    TRY(const Turned a, Apply(context, 0, a_));
    TRY(const Turned b, Apply(context, 1, b_));
    TRY(const Stacks s, ReadStacks(a.shape, b.shape));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, s.output));
    const std::span<float> c = output->MutableValues<float>();
    if (c.empty() || s.inner == 0) return {};
    TRY(const size_t count, ElementCount(s.c));
    for (const Place& place : Places(s, static_cast<int64_t>(count))) {
      TRY_OK(MultiplyOn(context.threads(), {.rows = s.rows,
                                            .inner = s.inner,
                                            .columns = s.columns,
                                            .a = {a.values + place.a, s.inner},
                                            .b = {b.values + place.b, s.columns},
                                            .c = c.data() + place.c,
                                            .c_stride = s.columns,
                                            .alpha = alpha_}));
    }
    return {};
  }

 private:
  Turn a_;
  Turn b_;
  float alpha_;
};

Result<Turn> ReadTurn(const NodeSpec& node, std::string_view matrix, std::string_view batch) {
  TRY(const int64_t turns_matrix, node.attributes.Int(matrix, 0));
  TRY(const int64_t turns_batch, node.attributes.Int(batch, 0));
  return Turn{turns_matrix != 0, turns_batch != 0};
}

}  // namespace

/// NumPy's matmul times alpha, of operands that may be transposed first. Types: float32. Source:
/// ONNX Runtime's contributed operator FusedMatMul, version 1.
MadeKernel MakeFusedMatMul(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const Turn a, ReadTurn(node, "transA", "transBatchA"));
  TRY(const Turn b, ReadTurn(node, "transB", "transBatchB"));
  TRY(const float alpha, node.attributes.Float("alpha", 1));
  return std::make_unique<FusedMatMul>(a, b, alpha);
}

}  // namespace ephemeralml::engine::kernels
