#include <cmath>
#include <utility>
#include <vector>

#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

// By elimination with the largest pivot, in double precision. Destroys the matrix.
double Determinant(std::vector<double>& matrix, size_t n) {
  double determinant = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::fabs(matrix[row * n + column]) > std::fabs(matrix[pivot * n + column])) pivot = row;
    }
    if (matrix[pivot * n + column] == 0) return 0;
    if (pivot != column) {
      determinant = -determinant;
      for (size_t i = 0; i < n; ++i) std::swap(matrix[pivot * n + i], matrix[column * n + i]);
    }
    determinant *= matrix[column * n + column];
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = matrix[row * n + column] / matrix[column * n + column];
      for (size_t i = column; i < n; ++i) matrix[row * n + i] -= factor * matrix[column * n + i];
    }
  }
  return determinant;
}

/// The determinant of each matrix. Types: float and double. Source: ONNX operator Det, version 11.
class Det final : public Kernel {
 public:
  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    const size_t rank = input.shape.size();
    if (rank < 2 || input.shape[rank - 1] != input.shape[rank - 2]) {
      return ShapeInvalid("Det: the operand holds no square matrices");
    }
    const Shape shape(input.shape.begin(), input.shape.end() - 2);
    const auto n = static_cast<size_t>(input.shape.back());
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, shape));
      const size_t count = output->byte_count() / sizeof(T);
      for (size_t i = 0; i < count; ++i) {
        const T* from = Raw<T>(input) + i * n * n;
        std::vector<double> matrix(from, from + n * n);
        Raw<T>(*output)[i] = static_cast<T>(Determinant(matrix, n));
      }
      return {};
    });
  }
};

}  // namespace

MadeKernel MakeDet(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<Det>();
}

}  // namespace ephemeralml::engine::kernels
