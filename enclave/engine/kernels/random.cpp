// Operators that draw random numbers. Their generator is a plain one: they are no source of
// secrets. A seed makes a node's numbers the same in every run; without one the enclave's own
// randomness seeds it.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>

#include "common/crypto/random.h"
#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/dispatch.h"

namespace ephemeralml::engine::kernels {
namespace {

// SplitMix64. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}

  // In [0, 1).
  double Uniform() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
  }
  // Of mean 0 and deviation 1, by Box's and Muller's method.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }

 private:
  uint64_t state_;
};

struct RandomAttributes {
  std::optional<float> seed;
  std::optional<ElementType> type;
  std::optional<Shape> shape;  // none: the operand's

  Generator MakeGenerator() const {
    uint64_t bits = 0;
    if (seed) {
      std::memcpy(&bits, &*seed, sizeof *seed);
    } else {
      Bytes drawn(sizeof bits);
      crypto::FillRandom(drawn);
      std::memcpy(&bits, drawn.data(), sizeof bits);
    }
    return Generator(bits);
  }
};

Result<RandomAttributes> ReadAttributes(const NodeSpec& node, bool has_shape) {
  RandomAttributes read;
  if (node.attributes.Has("seed")) {
    TRY(read.seed, node.attributes.Float("seed", 0));
  }
  if (node.attributes.Has("dtype")) {
    TRY(read.type, ReadTypeAttribute(node, "dtype", ElementType::kFloat));
  }
  if (!has_shape) return read;
  if (!read.type) read.type = ElementType::kFloat;
  TRY(read.shape, node.attributes.Ints("shape", {}));
  TRY_OK(ElementCount(*read.shape));
  return read;
}

Done GiveNumbers(KernelContext& context, ElementType type, const Shape& shape,
                 const std::vector<double>& values) {
  TRY(Tensor * output, context.Output(0, type, shape));
  const TensorView view{
      ElementType::kDouble,
      shape,
      {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(double)}};
  return ConvertElements(context.threads(), view, type, output->MutableBytes());
}

// Numbers of one distribution: `low` and `scale` are its first number and width, or its mean and
// deviation.
class RandomNumbers final : public Kernel {
 public:
  RandomNumbers(RandomAttributes attributes, bool is_normal, float low, float scale)
      : attributes_(std::move(attributes)), is_normal_(is_normal), low_(low), scale_(scale) {}

  Done Run(KernelContext& context) const override {
    if (!attributes_.shape) TRY_OK(RequireInput(context, 0));
    const Shape shape = attributes_.shape ? *attributes_.shape : context.InputShape(0);
    const ElementType type = attributes_.type ? *attributes_.type : context.InputType(0);
    TRY_OK(context.Output(0, type, shape));  // refuses what memory can't hold
    TRY(const size_t count, ElementCount(shape));
    Generator generator = attributes_.MakeGenerator();
    std::vector<double> values;
    values.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      const double drawn = is_normal_ ? generator.Normal() : generator.Uniform();
      values.push_back(static_cast<double>(low_) + static_cast<double>(scale_) * drawn);
    }
    return GiveNumbers(context, type, shape, values);
  }

 private:
  RandomAttributes attributes_;
  bool is_normal_;
  float low_;
  float scale_;
};

/// 1 with each element's probability, else 0. Types: float and double, of any type the result.
/// Source: ONNX operator Bernoulli, version 15.
class Bernoulli final : public Kernel {
 public:
  explicit Bernoulli(RandomAttributes attributes) : attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    std::vector<double> values;
    Generator generator = attributes_.MakeGenerator();
    TRY_OK(WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      for (const T probability : input.Values<T>()) {
        values.push_back(generator.Uniform() < static_cast<double>(probability) ? 1 : 0);
      }
      return {};
    }));
    return GiveNumbers(context, attributes_.type.value_or(input.type), input.shape, values);
  }

 private:
  RandomAttributes attributes_;
};

/// Indices of classes, drawn by the logarithms of their odds. Types: float and double. Source: ONNX
/// operator Multinomial, version 7.
class Multinomial final : public Kernel {
 public:
  Multinomial(RandomAttributes attributes, int64_t samples)
      : attributes_(std::move(attributes)), samples_(samples) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    if (input.shape.size() != 2 || input.shape[1] == 0) {
      return ShapeInvalid("Multinomial: the operand isn't a matrix of classes");
    }
    const Shape shape = {input.shape[0], samples_};
    const ElementType type = attributes_.type.value_or(ElementType::kInt32);
    TRY_OK(context.Output(0, type, shape));  // refuses what memory can't hold
    Generator generator = attributes_.MakeGenerator();
    std::vector<double> values;
    TRY_OK(WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      const auto classes = static_cast<size_t>(input.shape[1]);
      for (int64_t row = 0; row < shape[0]; ++row) {
        const T* logarithms = Raw<T>(input) + static_cast<size_t>(row) * classes;
        for (int64_t i = 0; i < samples_; ++i) {
          values.push_back(static_cast<double>(Draw(logarithms, classes, generator)));
        }
      }
      return {};
    }));
    return GiveNumbers(context, type, shape, values);
  }

 private:
  template <class T>
  static size_t Draw(const T* logarithms, size_t classes, Generator& generator) {
    const double largest = static_cast<double>(*std::max_element(logarithms, logarithms + classes));
    double sum = 0;
    const auto odds = [&](size_t c) {
      return std::exp(static_cast<double>(logarithms[c]) - largest);
    };
    for (size_t c = 0; c < classes; ++c) sum += odds(c);
    double rest = generator.Uniform() * sum;
    for (size_t c = 0; c + 1 < classes; ++c) {
      rest -= odds(c);
      if (rest < 0) return c;
    }
    return classes - 1;
  }

  RandomAttributes attributes_;
  int64_t samples_;
};

MadeKernel MakeRandom(const NodeSpec& node, bool is_like, bool is_normal) {
  const size_t inputs = is_like ? 1 : 0;
  TRY_OK(CheckArity(node, {.least_inputs = inputs, .most_inputs = inputs}));
  TRY(RandomAttributes attributes, ReadAttributes(node, !is_like));
  if (is_normal) {
    TRY(const float mean, node.attributes.Float("mean", 0.0f));
    TRY(const float scale, node.attributes.Float("scale", 1.0f));
    return std::make_unique<RandomNumbers>(std::move(attributes), true, mean, scale);
  }
  TRY(const float low, node.attributes.Float("low", 0.0f));
  TRY(const float high, node.attributes.Float("high", 1.0f));
  return std::make_unique<RandomNumbers>(std::move(attributes), false, low, high - low);
}

}  // namespace

/// Source: ONNX operator RandomNormal, version 1.
MadeKernel MakeRandomNormal(const NodeSpec& node) { return MakeRandom(node, false, true); }

/// Source: ONNX operator RandomNormalLike, version 1.
MadeKernel MakeRandomNormalLike(const NodeSpec& node) { return MakeRandom(node, true, true); }

/// Source: ONNX operator RandomUniform, version 1.
MadeKernel MakeRandomUniform(const NodeSpec& node) { return MakeRandom(node, false, false); }

/// Source: ONNX operator RandomUniformLike, version 1.
MadeKernel MakeRandomUniformLike(const NodeSpec& node) { return MakeRandom(node, true, false); }

MadeKernel MakeBernoulli(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(RandomAttributes attributes, ReadAttributes(node, false));
  return std::make_unique<Bernoulli>(std::move(attributes));
}

MadeKernel MakeMultinomial(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(RandomAttributes attributes, ReadAttributes(node, false));
  TRY(const int64_t samples, node.attributes.Int("sample_size", 1));
  if (samples < 0) return AttributeInvalid("Multinomial: attribute 'sample_size' is negative");
  return std::make_unique<Multinomial>(std::move(attributes), samples);
}

}  // namespace ephemeralml::engine::kernels
