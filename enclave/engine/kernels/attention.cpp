#include "enclave/engine/panels/attention.h"

#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

/// For each head softmax(scale · Q·Kᵀ + mask) · V; heads lie side by side in the last axis.
/// Shapes: Q [B, S, H], K [B, T, H], V [B, T, H'], Y [B, S, H'], H and H' multiples of `heads`;
/// mask broadcast to [B, heads, S, T], its last axis T; float32. Both products may be asked for in
/// bfloat16. Errors: kUnsupported
/// `type_unsupported`; kMalformed `shape_invalid`, `input_invalid`, `attribute_invalid`. Source:
/// docs/decisions/0006-prepared-graphs.md.
class Attention final : public Kernel {
 public:
  Attention(int64_t heads, float scale, bool in_bfloat16)
      : heads_(heads), scale_(scale), in_bfloat16_(in_bfloat16) {}

  Done Run(KernelContext& context) const override {
    for (size_t i = 0; i < 3; ++i) TRY_OK(RequireFloat(context, i));
    TRY(const panels::AttentionShape shape, ReadShape(context));
    panels::AttentionOperands operands;
    operands.scale = scale_;
    operands.in_bfloat16 = in_bfloat16_;
    TRY(const TensorView queries, context.Input(0));
    TRY(const TensorView keys, context.Input(1));
    TRY(const TensorView values, context.Input(2));
    operands.queries = panels::SideBySide(queries.Values<float>().data(), shape.queries,
                                          shape.heads, shape.head_columns);
    operands.keys = panels::SideBySide(keys.Values<float>().data(), shape.keys, shape.heads,
                                       shape.head_columns);
    operands.values = panels::SideBySide(values.Values<float>().data(), shape.keys, shape.heads,
                                         shape.value_columns);
    if (context.HasInput(3)) {
      TRY(operands.mask, ReadMask(context, shape));
    }
    const Shape result = {shape.batch, shape.queries, shape.heads * shape.value_columns};
    TRY(Tensor * output, shape.keys == 0
                             ? context.Output(0, ElementType::kFloat, result)
                             : context.OutputToOverwrite(0, ElementType::kFloat, result));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    operands.result = panels::SideBySide(y.data(), shape.queries, shape.heads, shape.value_columns);
    return panels::Attend(context.threads(), context.arena(), shape, operands);
  }

 private:
  Result<panels::AttentionShape> ReadShape(const KernelContext& context) const {
    const Shape& q = context.InputShape(0);
    const Shape& k = context.InputShape(1);
    const Shape& v = context.InputShape(2);
    if (q.size() != 3 || k.size() != 3 || v.size() != 3) {
      return ShapeInvalid("Attention: an operand hasn't three axes");
    }
    if (k[0] != q[0] || v[0] != q[0] || v[1] != k[1] || k[2] != q[2]) {
      return ShapeInvalid("Attention: queries, keys and values don't fit");
    }
    if (q[2] % heads_ != 0 || v[2] % heads_ != 0) {
      return ShapeInvalid("Attention: the heads don't share the columns out evenly");
    }
    return panels::AttentionShape{.batch = q[0],
                                  .heads = heads_,
                                  .key_heads = heads_,
                                  .queries = q[1],
                                  .keys = k[1],
                                  .head_columns = q[2] / heads_,
                                  .value_columns = v[2] / heads_};
  }

  static Result<panels::AttentionMask> ReadMask(KernelContext& context,
                                                const panels::AttentionShape& shape) {
    TRY_OK(RequireFloat(context, 3));
    const Shape& given = context.InputShape(3);
    if (given.empty() || given.size() > 4 || given.back() != shape.keys) {
      return ShapeInvalid("Attention: the mask's last axis isn't that of the keys");
    }
    TRY(const TensorView view, context.Input(3));
    const Shape full = {shape.batch, shape.heads, shape.queries, shape.keys};
    int64_t strides[4] = {};
    int64_t stride = 1;
    for (size_t i = 0; i < given.size(); ++i) {
      const size_t axis = 3 - i;
      const int64_t extent = given[given.size() - 1 - i];
      if (extent != 1 && extent != full[axis]) {
        return ShapeInvalid("Attention: the mask doesn't broadcast to the scores");
      }
      if (extent != 1) strides[axis] = stride;
      stride *= extent;
    }
    return panels::AttentionMask{view.Values<float>().data(), strides[0], strides[1], strides[2]};
  }

  int64_t heads_;
  float scale_;
  bool in_bfloat16_;
};

}  // namespace

MadeKernel MakeAttention(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 4}));
  TRY(const int64_t heads, node.attributes.RequiredInt("heads"));
  if (heads < 1) return AttributeInvalid("Attention: heads isn't positive");
  TRY(const float scale, node.attributes.Float("scale", 1));
  TRY(const std::string compute, node.attributes.String("compute", "float32"));
  if (compute != "float32" && compute != "bfloat16") {
    return AttributeInvalid("Attention: compute is neither float32 nor bfloat16");
  }
  return std::make_unique<Attention>(heads, scale, compute == "bfloat16");
}

}  // namespace ephemeralml::engine::kernels
