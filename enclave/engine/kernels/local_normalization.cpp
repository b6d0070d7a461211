// LRN, LpNormalization, MeanVarianceNormalization, GroupNormalization.

#include <algorithm>
#include <cmath>

#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

/// Divides each element by a power of the squares of its neighbours in other channels. Types: float
/// and double. Source: ONNX operator LRN, versions 1 and 13.
class Lrn final : public Kernel {
 public:
  Lrn(int64_t size, float alpha, float beta, float bias)
      : size_(size), alpha_(alpha), beta_(beta), bias_(bias) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.shape.size() < 2) return ShapeInvalid("LRN: the input has no channels");
    TRY(const size_t inner, CountBetween(input.shape, 2, input.shape.size()));
    const int64_t channels = input.shape[1];
    const auto batch = static_cast<size_t>(input.shape[0]);
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, input.shape));
      const T* x = Raw<T>(input);
      T* y = Raw<T>(*output);
      const size_t rows = batch * static_cast<size_t>(channels);
      context.threads().ParallelFor(rows, RowGrain(inner), [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const auto channel = static_cast<int64_t>(row) % channels;
          const auto first = static_cast<size_t>(std::max<int64_t>(channel - (size_ - 1) / 2, 0));
          const auto last = static_cast<size_t>(std::min(channel + size_ / 2, channels - 1));
          const T* sample = x + (row - static_cast<size_t>(channel)) * inner;
          Normalize(sample, first, last, static_cast<size_t>(channel), inner, y + row * inner);
        }
      });
      return {};
    });
  }

 private:
  template <class T>
  void Normalize(const T* sample, size_t first, size_t last, size_t channel, size_t inner,
                 T* y) const {
    for (size_t i = 0; i < inner; ++i) {
      T squares = 0;
      for (size_t c = first; c <= last; ++c) {
        squares += sample[c * inner + i] * sample[c * inner + i];
      }
      const T base =
          static_cast<T>(bias_) + static_cast<T>(alpha_) / static_cast<T>(size_) * squares;
      y[i] = sample[channel * inner + i] / std::pow(base, static_cast<T>(beta_));
    }
  }

  int64_t size_;
  float alpha_;
  float beta_;
  float bias_;
};

/// Divides each run along an axis by its norm. Types: float and double. Source: ONNX operator
/// LpNormalization, version 1.
class LpNormalization final : public Kernel {
 public:
  LpNormalization(int64_t axis, int64_t p) : axis_(axis), p_(p) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const size_t axis, NormalizeAxis(axis_, input.shape.size()));
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t inner, CountBetween(input.shape, axis + 1, input.shape.size()));
    const auto count = static_cast<size_t>(input.shape[axis]);
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, input.shape));
      context.threads().ParallelFor(outer * inner, RowGrain(count), [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; ++row) {
          const size_t first = row / inner * count * inner + row % inner;
          const T* x = Raw<T>(input) + first;
          T norm = 0;
          for (size_t i = 0; i < count; ++i) {
            norm += p_ == 1 ? std::fabs(x[i * inner]) : x[i * inner] * x[i * inner];
          }
          if (p_ == 2) norm = std::sqrt(norm);
          for (size_t i = 0; i < count; ++i) {
            Raw<T>(*output)[first + i * inner] = norm == 0 ? T{0} : x[i * inner] / norm;
          }
        }
      });
      return {};
    });
  }

 private:
  int64_t axis_;
  int64_t p_;
};

/// (x - mean) / (deviation + 1e-9) over the axes. Types: float and double. Source: ONNX operator
/// MeanVarianceNormalization, versions 9 and 13.
class MeanVarianceNormalization final : public Kernel {
 public:
  explicit MeanVarianceNormalization(std::vector<int64_t> axes) : axes_(std::move(axes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const std::vector<size_t> axes, NormalizeAxes(axes_, input.shape.size()));
    Shape kept = input.shape;
    for (const size_t axis : axes) kept[axis] = 1;
    TRY(const size_t groups, ElementCount(kept));
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, input.shape));
      if (input.bytes.empty()) return {};
      const std::vector<size_t> group = GroupOfEach(input.shape, kept);
      std::vector<double> sums(groups, 0.0);
      std::vector<double> squares(groups, 0.0);
      const auto values = input.Values<T>();
      const double count = static_cast<double>(values.size() / groups);
      for (size_t i = 0; i < values.size(); ++i) sums[group[i]] += static_cast<double>(values[i]);
      for (double& sum : sums) sum /= count;
      for (size_t i = 0; i < values.size(); ++i) {
        const double difference = static_cast<double>(values[i]) - sums[group[i]];
        squares[group[i]] += difference * difference;
      }
      for (double& square : squares) square = std::sqrt(square / count) + 1e-9;
      for (size_t i = 0; i < values.size(); ++i) {
        Raw<T>(*output)[i] =
            static_cast<T>((static_cast<double>(values[i]) - sums[group[i]]) / squares[group[i]]);
      }
      return {};
    });
  }

 private:
  // Which group of elements each one belongs to.
  static std::vector<size_t> GroupOfEach(const Shape& shape, const Shape& kept) {
    std::vector<size_t> groups = {0};
    const std::vector<int64_t> strides = Strides(kept);
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      std::vector<size_t> next;
      next.reserve(groups.size() * static_cast<size_t>(shape[axis]));
      for (const size_t group : groups) {
        for (int64_t i = 0; i < shape[axis]; ++i) {
          next.push_back(group + (kept[axis] == 1 ? 0 : static_cast<size_t>(i * strides[axis])));
        }
      }
      groups = std::move(next);
    }
    return groups;
  }

  std::vector<int64_t> axes_;
};

template <class T>
EPHEMERAL_MULTIVERSION void NormalizeGroup(const T* x, T* y, size_t count, T epsilon) {
  const T mean = SumLanes(x, count, [](T v) { return v; }) / static_cast<T>(count);
  const T squares = SumLanes(x, count, [mean](T v) { return (v - mean) * (v - mean); });
  const T factor = T{1} / std::sqrt(squares / static_cast<T>(count) + epsilon);
  for (size_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * factor;
}

/// Normalizes groups of channels, then scales and shifts: a group before version 21, a channel from
/// there. Types: float and double. Source: ONNX operator GroupNormalization, versions 18 and 21.
class GroupNormalization final : public Kernel {
 public:
  GroupNormalization(int64_t groups, float epsilon) : groups_(groups), epsilon_(epsilon) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, RequiredInput(context, 0));
    TRY(const TensorView scale, RequiredInput(context, 1));
    TRY(const TensorView bias, RequiredInput(context, 2));
    if (x.shape.size() < 2 || x.shape[1] % groups_ != 0 || x.shape[1] == 0) {
      return ShapeInvalid("GroupNormalization: groups don't divide the channels");
    }
    const int64_t channels = x.shape[1];
    const int64_t scales = scale.shape.size() == 1 ? scale.shape[0] : 0;
    if ((scales != channels && scales != groups_) || bias.shape != scale.shape) {
      return ShapeInvalid("GroupNormalization: scale and bias don't fit");
    }
    if (scale.type != x.type || bias.type != x.type) {
      return InputInvalid("GroupNormalization: the inputs' types differ");
    }
    TRY(const size_t plane, CountBetween(x.shape, 2, x.shape.size()));
    return WithType(FloatTypes{}, x.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, x.type, x.shape));
      const auto in_group = static_cast<size_t>(channels / groups_);
      const auto planes = static_cast<size_t>(x.shape[0] * channels);
      T* y = Raw<T>(*output);
      if (plane == 0) return {};
      for (size_t first = 0; first < planes; first += in_group) {
        NormalizeGroup(Raw<T>(x) + first * plane, y + first * plane, in_group * plane,
                       static_cast<T>(epsilon_));
      }
      for (size_t i = 0; i < planes; ++i) {
        const size_t channel = i % static_cast<size_t>(channels);
        const size_t at = scales == channels ? channel : channel / in_group;
        const T factor = Raw<T>(scale)[at];
        const T shift = Raw<T>(bias)[at];
        for (size_t k = i * plane; k < (i + 1) * plane; ++k) y[k] = y[k] * factor + shift;
      }
      return {};
    });
  }

 private:
  int64_t groups_;
  float epsilon_;
};

}  // namespace

MadeKernel MakeLRN(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t size, node.attributes.RequiredInt("size"));
  TRY(const float alpha, node.attributes.Float("alpha", 1e-4f));
  TRY(const float beta, node.attributes.Float("beta", 0.75f));
  TRY(const float bias, node.attributes.Float("bias", 1.0f));
  if (size < 1 || size > int64_t{1} << 30) {
    return AttributeInvalid("LRN: attribute 'size' is out of range");
  }
  return std::make_unique<Lrn>(size, alpha, beta, bias);
}

MadeKernel MakeLpNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(const int64_t axis, node.attributes.Int("axis", -1));
  TRY(const int64_t p, node.attributes.Int("p", 2));
  if (p != 1 && p != 2) return AttributeInvalid("LpNormalization: attribute 'p' must be 1 or 2");
  return std::make_unique<LpNormalization>(axis, p);
}

MadeKernel MakeMeanVarianceNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(std::vector<int64_t> axes, node.attributes.Ints("axes", {0, 2, 3}));
  return std::make_unique<MeanVarianceNormalization>(std::move(axes));
}

MadeKernel MakeGroupNormalization(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  TRY(const int64_t groups, node.attributes.RequiredInt("num_groups"));
  TRY(const float epsilon, node.attributes.Float("epsilon", 1e-5f));
  if (groups < 1) return AttributeInvalid("GroupNormalization: attribute 'num_groups' is below 1");
  return std::make_unique<GroupNormalization>(groups, epsilon);
}

}  // namespace ephemeralml::engine::kernels
