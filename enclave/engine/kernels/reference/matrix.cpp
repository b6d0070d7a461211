#include "enclave/engine/kernels/reference/matrix.h"

namespace ephemeralml::engine::kernels::reference {
namespace {

double At(const MatrixOperand& m, int64_t row, int64_t column) {
  return m.transposed ? m.values[column * m.stride + row] : m.values[row * m.stride + column];
}

}  // namespace

std::vector<float> MultiplyPlain(const Product& p) {
  std::vector<float> result(static_cast<size_t>(p.rows * p.columns));
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t column = 0; column < p.columns; ++column) {
      double sum = 0;
      for (int64_t k = 0; k < p.inner; ++k) sum += At(p.a, row, k) * At(p.b, k, column);
      sum *= p.alpha;
      if (p.beta != 0) sum += double{p.beta} * p.c[row * p.c_stride + column];
      result[static_cast<size_t>(row * p.columns + column)] = static_cast<float>(sum);
    }
  }
  return result;
}

}  // namespace ephemeralml::engine::kernels::reference
