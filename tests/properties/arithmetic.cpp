#include "tests/properties/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ephemeralml::properties {
namespace {

using Index = std::vector<int64_t>;

// The flat position of an index; dimensions of 1 and missing leading ones are broadcast.
size_t At(const Index& shape, const Index& index) {
  const size_t skipped = index.size() - shape.size();
  int64_t at = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    at = at * shape[i] + (shape[i] == 1 ? 0 : index[skipped + i]);
  }
  return static_cast<size_t>(at);
}

// Calls `visit` with every index of a shape, in row-major order.
void ForEachIndex(const Index& shape, const std::function<void(const Index&)>& visit) {
  Index index(shape.size(), 0);
  for (int64_t left = CountOf(shape); left > 0; --left) {
    visit(index);
    for (size_t i = shape.size(); i-- > 0;) {
      if (++index[i] < shape[i]) break;
      index[i] = 0;
    }
  }
}

}  // namespace

int64_t CountOf(const Index& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

Values Map(const Values& x, const std::function<double(double)>& function) {
  Values y = x;
  for (double& value : y.at) value = function(value);
  return y;
}

Values Zip(const Values& a, const Values& b,
           const std::function<double(double, double)>& function) {
  Values y;
  y.shape.assign(std::max(a.shape.size(), b.shape.size()), 1);
  for (const Values* operand : {&a, &b}) {
    const size_t skipped = y.shape.size() - operand->shape.size();
    for (size_t i = 0; i < operand->shape.size(); ++i) {
      y.shape[skipped + i] = std::max(y.shape[skipped + i], operand->shape[i]);
    }
  }
  ForEachIndex(y.shape, [&](const Index& i) {
    y.at.push_back(function(a.at[At(a.shape, i)], b.at[At(b.shape, i)]));
  });
  return y;
}

Values MatMul(const Values& x, const Values& w) {
  Values y{x.shape, {}};
  y.shape.back() = w.shape[1];
  const auto inner = static_cast<size_t>(w.shape[0]);
  const auto columns = static_cast<size_t>(w.shape[1]);
  for (size_t row = 0; row < x.at.size() / inner; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      double sum = 0;
      for (size_t k = 0; k < inner; ++k) sum += x.at[row * inner + k] * w.at[k * columns + column];
      y.at.push_back(sum);
    }
  }
  return y;
}

Values Transposed(const Values& matrix) { return Transpose(matrix, {1, 0}); }

Values Transpose(const Values& x, const Index& permutation) {
  Values y;
  for (const int64_t from : permutation) y.shape.push_back(x.shape[static_cast<size_t>(from)]);
  ForEachIndex(y.shape, [&](const Index& index) {
    Index source(index.size());
    for (size_t i = 0; i < index.size(); ++i)
      source[static_cast<size_t>(permutation[i])] = index[i];
    y.at.push_back(x.at[At(x.shape, source)]);
  });
  return y;
}

Values Softmax(const Values& x) {
  Values y = x;
  const auto count = x.shape.back();
  for (auto row = y.at.begin(); row != y.at.end(); row += count) {
    const double largest = *std::max_element(row, row + count);
    double sum = 0;
    for (auto value = row; value != row + count; ++value)
      sum += * value = std::exp(*value - largest);
    for (auto value = row; value != row + count; ++value) *value /= sum;
  }
  return y;
}

Values Concat(const Values& a, const Values& b, size_t axis) {
  Values y{a.shape, {}};
  y.shape[axis] += b.shape[axis];
  ForEachIndex(y.shape, [&](Index index) {
    const bool first = index[axis] < a.shape[axis];
    if (!first) index[axis] -= a.shape[axis];
    const Values& source = first ? a : b;
    y.at.push_back(source.at[At(source.shape, index)]);
  });
  return y;
}

Values ScaleChannels(const Values& x, const std::vector<double>& scale,
                     const std::vector<double>& shift) {
  Values y{x.shape, {}};
  ForEachIndex(x.shape, [&](const Index& index) {
    const auto channel = static_cast<size_t>(index[1]);
    y.at.push_back(x.at[y.at.size()] * scale[channel] + shift[channel]);
  });
  return y;
}

Values Conv(const Values& x, const Values& w, const Values& bias, const ConvShape& shape) {
  const int64_t kernel = w.shape[2];
  const auto out = [&](int64_t extent) {
    return (extent + 2 * shape.pad - kernel) / shape.stride + 1;
  };
  Values y{{x.shape[0], w.shape[0], out(x.shape[2]), out(x.shape[3])}, {}};
  const int64_t outputs_per_group = w.shape[0] / shape.groups;
  const auto input = [&](const Index& i) {
    const bool inside = i[2] >= 0 && i[2] < x.shape[2] && i[3] >= 0 && i[3] < x.shape[3];
    return inside ? x.at[At(x.shape, i)] : 0.0;
  };
  ForEachIndex(y.shape, [&](const Index& o) {
    const int64_t first_channel = o[1] / outputs_per_group * w.shape[1];
    double sum = bias.at[static_cast<size_t>(o[1])];
    ForEachIndex({w.shape[1], kernel, kernel}, [&](const Index& k) {
      const Index from = {o[0], first_channel + k[0], o[2] * shape.stride - shape.pad + k[1],
                          o[3] * shape.stride - shape.pad + k[2]};
      sum += input(from) * w.at[At(w.shape, {o[1], k[0], k[1], k[2]})];
    });
    y.at.push_back(sum);
  });
  return y;
}

}  // namespace ephemeralml::properties
