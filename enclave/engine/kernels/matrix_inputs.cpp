#include "enclave/engine/kernels/matrix_inputs.h"

#include <algorithm>

namespace ephemeralml::engine::kernels {
namespace {

using weights::OpenPanel;
using weights::PanelLayout;

int64_t OffsetOfColumn(const MatrixOperand& m, int64_t column) {
  return m.transposed ? column * m.stride : column;
}
int64_t OffsetOfRow(const MatrixOperand& m, int64_t row) {
  return m.transposed ? row : row * m.stride;
}

// A weight's panels cut one of a product's three extents: that of the sum, or one of C's.
class CutProduct {
 public:
  CutProduct(const Product& whole, Side side, PanelLayout layout, int64_t columns, bool transposed)
      : whole_(whole), side_(side), layout_(layout), columns_(columns), transposed_(transposed) {}

  bool CutsTheSum() const {
    const bool cuts_operand_rows = (layout_ == PanelLayout::kRows) != transposed_;
    return cuts_operand_rows == (side_ == Side::kB);
  }

  Product Part(const OpenPanel& panel) const {
    const int64_t length = panel.end() - panel.begin();
    const MatrixOperand operand = {panel.Values<float>(),
                                   layout_ == PanelLayout::kRows ? columns_ : length, transposed_};
    Product part = whole_;
    (side_ == Side::kA ? part.a : part.b) = operand;
    if (CutsTheSum()) {
      part.inner = length;
      if (side_ == Side::kA) {
        part.b.values += OffsetOfRow(part.b, panel.begin());
      } else {
        part.a.values += OffsetOfColumn(part.a, panel.begin());
      }
      if (panel.begin() > 0) part.beta = 1;
    } else if (side_ == Side::kA) {
      part.rows = length;
      part.c += panel.begin() * part.c_stride;
    } else {
      part.columns = length;
      part.c += panel.begin();
    }
    return part;
  }

 private:
  const Product& whole_;
  Side side_;
  PanelLayout layout_;
  int64_t columns_;
  bool transposed_;
};

}  // namespace

// Panels that cut C are independent: each thread opens its own. What doesn't make a full round of
// threads, and panels that cut the sum, are opened one at a time and shared by all threads.
Done MultiplyPanels(Threads& threads, const Product& product, Side side,
                    const weights::PanelStream& panels, int64_t columns, bool transposed) {
  const CutProduct cut(product, side, panels.weight().layout, columns, transposed);
  const size_t count = panels.panel_count();
  const size_t independent = cut.CutsTheSum() ? 0 : count / threads.count() * threads.count();
  const auto multiply_panels = [&](size_t begin, size_t end) -> Done {
    for (size_t i = begin; i < end; ++i) {
      TRY(const OpenPanel panel, panels.Open(i));
      TRY_OK(Multiply(cut.Part(panel)));
    }
    return {};
  };
  TRY_OK(threads.TryParallelFor(independent, 1, multiply_panels));
  for (size_t i = independent; i < count; ++i) {
    TRY(const OpenPanel panel, panels.Open(i));
    TRY_OK(MultiplyOn(threads, cut.Part(panel)));
  }
  return {};
}

Done MultiplyInputs(KernelContext& context, const MatrixInput& a, const MatrixInput& b, float* c,
                    float alpha, float beta) {
  if (a.operand_columns() != b.operand_rows()) {
    return ShapeInvalid("the matrices don't fit: " + std::to_string(a.operand_columns()) +
                        " columns meet " + std::to_string(b.operand_rows()) + " rows");
  }
  Product product{.rows = a.operand_rows(),
                  .inner = a.operand_columns(),
                  .columns = b.operand_columns(),
                  .a = {nullptr, a.columns, a.transposed},
                  .b = {nullptr, b.columns, b.transposed},
                  .c = c,
                  .c_stride = b.operand_columns(),
                  .alpha = alpha,
                  .beta = beta};
  if (product.rows == 0 || product.columns == 0) return {};
  const bool panels_of_b = context.IsWeight(b.input);
  const bool panels_of_a = !panels_of_b && context.IsWeight(a.input);
  if (!panels_of_a) {
    TRY(const TensorView view, context.Input(a.input));
    product.a.values = view.Values<float>().data();
  }
  if (!panels_of_b) {
    TRY(const TensorView view, context.Input(b.input));
    product.b.values = view.Values<float>().data();
  }
  if (!panels_of_a && !panels_of_b) return MultiplyOn(context.threads(), product);
  const MatrixInput& sealed = panels_of_a ? a : b;
  TRY(const weights::PanelStream panels, context.Panels(sealed.input));
  return MultiplyPanels(context.threads(), product, panels_of_a ? Side::kA : Side::kB, panels,
                        sealed.columns, sealed.transposed);
}

Done RequireFloat(const KernelContext& context, size_t index) {
  TRY_OK(RequireInput(context, index));
  if (context.InputType(index) != ElementType::kFloat) {
    return TypeUnsupported(context.InputType(index));
  }
  return {};
}

}  // namespace ephemeralml::engine::kernels
