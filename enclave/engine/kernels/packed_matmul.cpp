#include <algorithm>

#include "enclave/engine/kernels/epilogue.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/panels/pair_tile.h"
#include "enclave/engine/panels/panel_product.h"

namespace ephemeralml::engine::kernels {
namespace {

// Below this many floats waking another thread to round them costs more than it brings.
constexpr size_t kWorthAThread = 8 * 1024;

// The rows of a matrix, rounded to bfloat16.
Result<ArenaBlock> PairsOf(KernelContext& context, std::span<const float> matrix, int64_t steps) {
  const int64_t size = panels::PairedLeftSize(steps);
  const size_t rows = matrix.size() / static_cast<size_t>(steps);
  TRY(ArenaBlock block,
      context.ScratchToOverwrite(rows * static_cast<size_t>(size) * sizeof(float)));
  auto* const pairs = reinterpret_cast<float*>(block.bytes().data());
  const size_t rows_worth_it = kWorthAThread / static_cast<size_t>(steps) + 1;
  context.threads().ParallelFor(rows, rows_worth_it, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      const auto at = static_cast<int64_t>(row);
      panels::MakePairedLeft(matrix.data() + at * steps, steps, pairs + at * size);
    }
  });
  return block;
}

// Rows so far apart share one set of the first cache: those of one tile, which a product reads at
// the same time, would push each other out. Matrices so large that a copy would count beside them
// stay where they are.
bool RowsCollide(int64_t rows, int64_t steps) {
  constexpr int64_t kMostFloats = 4 << 20;
  constexpr int64_t kCollidingFloats = 4096 / sizeof(float);
  constexpr int64_t kLeastRows = 8;
  return rows >= kLeastRows && steps % kCollidingFloats == 0 && rows <= kMostFloats / steps;
}

// The rows of a matrix, a cache line further apart.
Result<ArenaBlock> SpreadRows(KernelContext& context, std::span<const float> matrix, int64_t steps,
                              int64_t distance) {
  const size_t rows = matrix.size() / static_cast<size_t>(steps);
  TRY(ArenaBlock block,
      context.ScratchToOverwrite(rows * static_cast<size_t>(distance) * sizeof(float)));
  auto* const spread = reinterpret_cast<float*>(block.bytes().data());
  const size_t rows_worth_it = kWorthAThread / static_cast<size_t>(steps) + 1;
  context.threads().ParallelFor(rows, rows_worth_it, [&](size_t begin, size_t end) {
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row) {
      float* const gap = std::copy_n(matrix.data() + row * steps, steps, spread + row * distance);
      std::fill_n(gap, distance - steps, 0.0f);
    }
  });
  return block;
}

/// Y = activation(A · B + bias + residual), B a packed weight that carries the bias.
/// Shapes: A [..., K], B [K, N], residual and Y [..., N]; float32. Where B is in pairs of bfloat16,
/// A is rounded to bfloat16, too; sums are float32.
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
    const auto steps = weight.weight().shape.at(0);
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
    TRY(Tensor * output, context.OutputToOverwrite(0, ElementType::kFloat, std::move(shape)));
    const std::span<float> y = output->MutableValues<float>();
    if (y.empty()) return {};
    product.left = a.Values<float>().data();
    product.strides = {steps, columns, wire::kLaneColumns};
    const int64_t rows = static_cast<int64_t>(y.size()) / columns;
    ArenaBlock prepared;
    product.is_paired = weight.weight().layout == weights::PanelLayout::kMatrixPairs;
    if (product.is_paired) {
      TRY(prepared, PairsOf(context, a.Values<float>(), steps));
      product.left = reinterpret_cast<const float*>(prepared.bytes().data());
      product.strides.left = panels::PairedLeftSize(steps);
    } else if (RowsCollide(rows, steps)) {
      product.strides.left = steps + wire::kLaneColumns;
      TRY(prepared, SpreadRows(context, a.Values<float>(), steps, product.strides.left));
      product.left = reinterpret_cast<const float*>(prepared.bytes().data());
    }
    const panels::Segment sum{0, static_cast<int64_t>(weight.shape().steps)};
    product.result = y.data();
    product.lines.rows = rows;
    product.result_panel = wire::kPanelColumns;
    product.segments = {&sum, 1};
    product.epilogue = epilogue_;
    Done done = panels::MultiplyPacked(context, weight, product);
    // What was made of a weight is wiped at once, as weights are.
    if (!context.IsWeight(0)) prepared.Discard();
    return done;
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
