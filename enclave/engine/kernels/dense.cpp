#include "enclave/engine/kernels/dense.h"

#include <dnnl.h>

#include <algorithm>
#include <new>
#include <vector>

// Of the OpenMP runtime that oneDNN is linked with; its header isn't at hand under every compiler.
extern "C" void omp_set_num_threads(int);

namespace ephemeralml::engine::kernels {
namespace {

// Below this many multiplications waking another thread costs more than it brings.
constexpr int64_t kWorthAThread = 64 * 1024;

Error Failed() {
  return {Code::kInternal, "dense_library_failed",
          "the library for matrix products failed; there may be too little memory"};
}

// The number of threads that oneDNN may start is a property of each calling thread.
void ForbidLibraryThreads() {
  thread_local const bool forbidden = [] {
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(forbidden);
}

// The product without its terms: C = beta * C.
void ScaleOnly(const Product& p) {
  for (int64_t row = 0; row < p.rows; ++row) {
    float* c = p.c + row * p.c_stride;
    for (int64_t column = 0; column < p.columns; ++column) {
      c[column] = p.beta == 0 ? 0 : p.beta * c[column];
    }
  }
}

// Elements of an operand before its row (or column) `index`.
int64_t RowOffset(const MatrixOperand& m, int64_t index) {
  return m.transposed ? index : index * m.stride;
}
int64_t ColumnOffset(const MatrixOperand& m, int64_t index) {
  return m.transposed ? index * m.stride : index;
}

Product RowsOf(Product p, int64_t begin, int64_t end) {
  p.a.values += RowOffset(p.a, begin);
  p.c += begin * p.c_stride;
  p.rows = end - begin;
  return p;
}

Product ColumnsOf(Product p, int64_t begin, int64_t end) {
  p.b.values += ColumnOffset(p.b, begin);
  p.c += begin;
  p.columns = end - begin;
  return p;
}

}  // namespace

Done Multiply(const Product& p) {
  if (p.rows == 0 || p.columns == 0) return {};
  if (p.inner == 0) {
    ScaleOnly(p);
    return {};
  }
  ForbidLibraryThreads();
  try {
    // oneDNN looks at strides even where there is but one row.
    const dnnl_status_t status = dnnl_sgemm(
        p.a.transposed ? 'T' : 'N', p.b.transposed ? 'T' : 'N', p.rows, p.columns, p.inner, p.alpha,
        p.a.values, std::max(p.a.stride, p.a.transposed ? p.rows : p.inner), p.b.values,
        std::max(p.b.stride, p.b.transposed ? p.inner : p.columns), p.beta, p.c,
        std::max(p.c_stride, p.columns));
    if (status != dnnl_success) return Failed();
  } catch (const std::exception&) {
    return Failed();
  }
  return {};
}

Done MultiplyOn(Threads& threads, const Product& p) {
  const bool by_rows = p.rows >= p.columns;
  const int64_t items = by_rows ? p.rows : p.columns;
  const int64_t work_per_item = p.inner * std::max<int64_t>(by_rows ? p.columns : p.rows, 1);
  const int64_t grain = kWorthAThread / std::max<int64_t>(work_per_item, 1) + 1;
  return threads.TryParallelFor(
      static_cast<size_t>(items), static_cast<size_t>(grain), [&](size_t begin, size_t end) {
        const auto first = static_cast<int64_t>(begin);
        const auto last = static_cast<int64_t>(end);
        return Multiply(by_rows ? RowsOf(p, first, last) : ColumnsOf(p, first, last));
      });
}

// oneDNN chooses its code by transposition, by what beta is, and by whether the product is a
// vector's.
Done WarmUp(Threads& threads) {
  constexpr int64_t kMost = 96;
  const std::vector<float> ones(static_cast<size_t>(kMost * kMost), 1.0f);
  return threads.TryParallelFor(threads.count(), 1, [&](size_t, size_t) -> Done {
    std::vector<float> c(ones.size());
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        for (const float beta : {0.0f, 1.0f, 0.5f}) {
          for (const auto& [rows, inner, columns] :
               {std::tuple(1, 64, 64), std::tuple(64, 64, 1), std::tuple(64, 64, 64),
                std::tuple(96, 96, 80), std::tuple(1, 1, 1), std::tuple(3, 5, 7)}) {
            for (const float alpha : {1.0f, 0.5f}) {
              TRY_OK(Multiply({rows,
                               inner,
                               columns,
                               {ones.data(), kMost, transpose_a},
                               {ones.data(), kMost, transpose_b},
                               c.data(),
                               kMost,
                               alpha,
                               beta}));
            }
          }
        }
      }
    }
    return {};
  });
}

}  // namespace ephemeralml::engine::kernels
