#pragma once
// Products of float32 matrices: the one door to the dense library, oneDNN, which dense.cpp alone
// knows. The library makes machine code when a kind of product is asked for the first time; WarmUp
// asks for all kinds before the worker gives up the right to map executable memory.

#include <cstdint>

#include "common/base/result.h"
#include "enclave/engine/base/threads.h"

namespace ephemeralml::engine::kernels {

/// A row-major matrix in memory: `stride` elements from one row to the next. `transposed` says that
/// the operand is what lies there, transposed.
struct MatrixOperand {
  const float* values = nullptr;
  int64_t stride = 0;
  bool transposed = false;
};

/// C [rows, columns] = alpha * A [rows, inner] * B [inner, columns] + beta * C.
struct Product {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  MatrixOperand a;
  MatrixOperand b;
  float* c = nullptr;
  int64_t c_stride = 0;
  float alpha = 1;
  float beta = 0;  ///< 0: what C held is not read
};

/// Computes one product on the calling thread. Any extent may be 0.
/// Errors: kInternal `dense_library_failed` (out of memory, or a bug).
Done Multiply(const Product& product);

/// Multiply with rows or columns shared out among threads. Not from within a parallel region.
/// Errors: as Multiply.
Done MultiplyOn(Threads& threads, const Product& product);

/// Runs every kind of product once on every thread: afterwards Multiply maps no executable memory.
/// Errors: as Multiply.
Done WarmUp(Threads& threads);

}  // namespace ephemeralml::engine::kernels
