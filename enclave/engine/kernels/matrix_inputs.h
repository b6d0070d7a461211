#pragma once
// Matrix products between a node's inputs, sealed or not: a weight's panels are opened one by one
// (one for each thread), multiplied and wiped.

#include "enclave/engine/kernels/dense.h"
#include "enclave/engine/kernels/operands.h"

namespace ephemeralml::engine::kernels {

/// An input as a matrix of `rows` x `columns`, row-major where it is stored. If it is a weight, it
/// has one axis (and `columns` is 1) or two.
struct MatrixInput {
  size_t input = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  bool transposed = false;  ///< the operand is the stored matrix, transposed

  int64_t operand_rows() const { return transposed ? columns : rows; }
  int64_t operand_columns() const { return transposed ? rows : columns; }
};

/// C = alpha * A * B + beta * C, C [A's rows, B's columns] without gaps. Not from within a parallel
/// region. Errors: kMalformed `shape_invalid` (A's columns aren't B's rows), those of Multiply and
/// of KernelContext.
Done MultiplyInputs(KernelContext& context, const MatrixInput& a, const MatrixInput& b, float* c,
                    float alpha, float beta);

enum class Side { kA, kB };

/// `product` with one operand replaced by a weight's panels; everything else in it is set. Its
/// stored matrix has `columns` columns. Errors: as MultiplyInputs.
Done MultiplyPanels(Threads& threads, const Product& product, Side side,
                    const weights::PanelStream& panels, int64_t columns, bool transposed);

/// Errors: kMalformed `input_invalid` (left out), kUnsupported `type_unsupported` (not float32).
Done RequireFloat(const KernelContext& context, size_t index);

}  // namespace ephemeralml::engine::kernels
