#include <algorithm>
#include <cstdint>
#include <vector>

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

// The left operand as products read it.
struct LeftRows {
  const float* values = nullptr;
  int64_t stride = 0;
  ArenaBlock made;  // if it couldn't stay where it was
};

Result<LeftRows> LeftFor(KernelContext& context, std::span<const float> matrix, int64_t rows,
                         const weights::WeightInfo& weight) {
  const int64_t steps = weight.shape[0];
  LeftRows left = {matrix.data(), steps, {}};
  if (weight.layout == weights::PanelLayout::kMatrixPairs) {
    left.stride = panels::PairedLeftSize(steps);
    TRY(left.made, PairsOf(context, matrix, steps));
  } else if (RowsCollide(rows, steps)) {
    left.stride = steps + wire::kLaneColumns;
    TRY(left.made, SpreadRows(context, matrix, steps, left.stride));
  } else {
    return left;
  }
  left.values = reinterpret_cast<const float*>(left.made.bytes().data());
  return left;
}

/// Y = activation(A · B + bias + residual), B a packed weight that carries the bias; or several
/// such products of one A, each with a weight and a result of its own, and no residual.
/// Shapes: A [..., K], B [K, N], residual and Y [..., N]; float32. Where B is in pairs of bfloat16,
/// A is rounded to bfloat16, too; sums are float32. All B have one layout.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`, `input_invalid`,
/// `topology_malformed`. Source: docs/decisions/0006-prepared-graphs.md.
class PackedMatMul final : public Kernel {
 public:
  PackedMatMul(size_t products, panels::Epilogue epilogue)
      : products_(products), epilogue_(epilogue) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY(const std::vector<weights::PackedWeight> weights, ReadWeights(context));
    const weights::WeightInfo& first = weights[0].weight();
    const int64_t steps = first.shape.at(0);
    TRY(const TensorView a, context.Input(0));
    if (a.shape.empty() || a.shape.back() != steps) {
      return ShapeInvalid("MatMul: the matrices don't fit");
    }
    std::vector<panels::Product> products(products_);
    const panels::Segment sum{0, static_cast<int64_t>(weights[0].shape().steps)};
    for (size_t i = 0; i < products_; ++i) {
      products[i].weight = &weights[i];
      products[i].segments = {&sum, 1};
      TRY_OK(PlaceResult(context, i, a.shape, products[i]));
    }
    int64_t rows = 0;
    for (const panels::Product& product : products) rows = std::max(rows, product.lines.rows);
    if (rows == 0) return {};
    TRY(LeftRows left, LeftFor(context, a.Values<float>(), rows, first));
    for (panels::Product& product : products) {
      product.left = left.values;
      product.strides.left = left.stride;
      product.is_paired = first.layout == weights::PanelLayout::kMatrixPairs;
    }
    Done done = panels::MultiplyPacked(context, products);
    // What was made of a weight is wiped at once, as weights are.
    if (!context.HoldsWeight(0)) left.made.Discard();
    return done;
  }

 private:
  Result<std::vector<weights::PackedWeight>> ReadWeights(KernelContext& context) const {
    std::vector<weights::PackedWeight> weights;
    for (size_t i = 0; i < products_; ++i) {
      TRY_OK(RequireInput(context, i + 1));
      TRY(const weights::PackedWeight weight,
          context.Packed(i + 1, weights::PanelLayout::kMatrixPanels));
      weights.push_back(weight);
      const weights::WeightInfo& first = weights[0].weight();
      if (weight.weight().layout != first.layout || weight.weight().shape[0] != first.shape[0]) {
        return ShapeInvalid("MatMul: the matrices aren't of one kind");
      }
    }
    return weights;
  }

  Done PlaceResult(KernelContext& context, size_t index, Shape shape,
                   panels::Product& product) const {
    const auto columns = static_cast<int64_t>(product.weight->shape().columns);
    shape.back() = columns;
    if (products_ == 1 && context.HasInput(2)) {
      TRY_OK(RequireFloat(context, 2));
      if (context.InputShape(2) != shape) {
        return ShapeInvalid("MatMul: the residual isn't shaped as the result");
      }
      TRY(const TensorView residual, context.Input(2));
      product.residual = residual.Values<float>().data();
    }
    TRY(Tensor * output, context.OutputToOverwrite(index, ElementType::kFloat, std::move(shape)));
    const std::span<float> y = output->MutableValues<float>();
    product.result = y.data();
    product.lines.rows = y.empty() ? 0 : static_cast<int64_t>(y.size()) / columns;
    product.strides = {0, columns, wire::kLaneColumns};
    product.result_panel = wire::kPanelColumns;
    product.epilogue = epilogue_;
    return {};
  }

  size_t products_;
  panels::Epilogue epilogue_;
};

}  // namespace

MadeKernel MakePackedMatMul(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 3}));
  TRY(const panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  return std::make_unique<PackedMatMul>(1, epilogue);
}

MadeKernel MakePackedMatMuls(const NodeSpec& node) {
  const size_t products = node.output_count;
  TRY_OK(CheckArity(node, {.least_inputs = products + 1,
                           .most_inputs = products + 1,
                           .least_outputs = 2,
                           .most_outputs = SIZE_MAX}));
  TRY(const panels::Epilogue epilogue, ReadEpilogue(node.attributes));
  return std::make_unique<PackedMatMul>(products, epilogue);
}

}  // namespace ephemeralml::engine::kernels
