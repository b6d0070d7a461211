#pragma once
// What the generated models mean: each operator as the plainest loops over doubles, written from
// ONNX's description and from nothing of the engine's.

#include <cstdint>
#include <functional>
#include <vector>

namespace ephemeralml::properties {

/// A tensor, row-major.
struct Values {
  std::vector<int64_t> shape;
  std::vector<double> at;
};

int64_t CountOf(const std::vector<int64_t>& shape);

Values Map(const Values& x, const std::function<double(double)>& function);
/// Under broadcasting.
Values Zip(const Values& a, const Values& b, const std::function<double(double, double)>& function);
/// x [..., M, K] times w [K, N].
Values MatMul(const Values& x, const Values& w);
/// The last two dimensions exchanged.
Values Transposed(const Values& matrix);
Values Transpose(const Values& x, const std::vector<int64_t>& permutation);
Values Softmax(const Values& x);
Values Concat(const Values& a, const Values& b, size_t axis);
/// One scale and shift per channel, the second dimension.
Values ScaleChannels(const Values& x, const std::vector<double>& scale,
                     const std::vector<double>& shift);

struct ConvShape {
  int64_t stride = 1;
  int64_t pad = 0;
  int64_t groups = 1;
};
/// x [N, C, H, W], w [M, C / groups, k, k], bias [M].
Values Conv(const Values& x, const Values& w, const Values& bias, const ConvShape& shape);

}  // namespace ephemeralml::properties
