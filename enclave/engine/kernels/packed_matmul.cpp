#include "enclave/engine/kernels/epilogue.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/panels/panel_product.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Y = activation(A · B + bias + residual), B a packed weight that carries the bias.
/// Shapes: A [..., K], B [K, N], residual and Y [..., N]; float32.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`, `input_invalid`,
/// `topology_malformed`. Source: docs/decisions/0006-prepared-graphs.md.
class PackedMatMul final : public Kernel {
 public:
  explicit PackedMatMul(panels::Epilogue epilogue) : epilogue_(epilogue) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY_OK(RequireInput(context, 1));
    TRY(const weights::PackedWeight weight, context.Packed(1, weights::PanelLayout::kMatrixPanels));
    TRY(const TensorView a, context.Input(0));
    const auto steps = static_cast<int64_t>(weight.shape().steps);
    const auto columns = static_cast<int64_t>(weight.shape().columns);
    if (a.shape.empty() || a.shape.back() != steps) {
      return ShapeInvalid("MatMul: the matrices don't fit");
    }
    Shape shape = a.shape;
    shape.back() = columns;
    panels::Product product;
    if (context.HasInput(2)) {
      TRY_OK(RequireFloat(context, 2));
      if (context.InputShape(2) != shape) {
        return ShapeInvalid("MatMul: the residual isn't shaped as the result");
      }
      TRY(const TensorView residual, context.Input(2));
      product.residual = residual.Values<float>().data();
    }
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, std::move(shape)));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    const panels::Segment sum{0, steps};
    product.left = a.Values<float>().data();
    product.result = y.data();
    product.lines.rows = static_cast<int64_t>(y.size()) / columns;
    product.strides = {steps, columns, wire::kLaneColumns};
    product.result_panel = wire::kPanelColumns;
    product.segments = {&sum, 1};
    product.epilogue = epilogue_;
    return panels::MultiplyPacked(context, weight, product);
  }

 private:
  panels::Epilogue epilogue_;
};

}  // namespace

MadeKernel MakePackedMatMul(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  return std::make_unique<PackedMatMul>(epilogue);
}

}  // namespace ephemeralml::engine::kernels
