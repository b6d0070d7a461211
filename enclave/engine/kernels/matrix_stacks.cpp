#include "enclave/engine/kernels/matrix_stacks.h"

#include "enclave/engine/kernels/broadcast.h"

namespace ephemeralml::engine::kernels {
namespace {

// Which matrix of an operand's stack the matrix `index` of the result's stack needs.
int64_t MatrixOf(const Shape& operand, const Shape& result, int64_t index) {
  int64_t matrix = 0;
  int64_t step = 1;
  for (size_t i = result.size(); i-- > 0;) {
    const int64_t at = index % result[i];
    index /= result[i];
    if (i + operand.size() < result.size()) continue;
    const int64_t extent = operand[i + operand.size() - result.size()];
    if (extent != 1) matrix += at * step;
    step *= extent;
  }
  return matrix;
}

}  // namespace

Result<Stacks> ReadStacks(const Shape& a, const Shape& b) {
  if (a.empty() || b.empty()) return ShapeInvalid("MatMul: an operand is a scalar");
  Stacks s;
  s.inner = a.back();
  s.rows = a.size() > 1 ? a[a.size() - 2] : 1;
  s.columns = b.size() > 1 ? b.back() : 1;
  if ((b.size() > 1 ? b[b.size() - 2] : b[0]) != s.inner) {
    return ShapeInvalid("MatMul: the matrices don't fit");
  }
  if (a.size() > 2) s.a.assign(a.begin(), a.end() - 2);
  if (b.size() > 2) s.b.assign(b.begin(), b.end() - 2);
  TRY(s.c, BroadcastShapes(s.a, s.b));
  s.output = s.c;
  if (a.size() > 1) s.output.push_back(s.rows);
  if (b.size() > 1) s.output.push_back(s.columns);
  return s;
}

std::vector<Place> Places(const Stacks& s, int64_t count) {
  std::vector<Place> places(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    places[static_cast<size_t>(i)] = {MatrixOf(s.a, s.c, i) * s.rows * s.inner,
                                      MatrixOf(s.b, s.c, i) * s.inner * s.columns,
                                      i * s.rows * s.columns};
  }
  return places;
}

}  // namespace ephemeralml::engine::kernels
