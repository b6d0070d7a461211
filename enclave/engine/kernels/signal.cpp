// Windows, the discrete Fourier transform, its short-time form and the mel weights.

#include <cmath>
#include <numbers>
#include <optional>

#include "enclave/engine/kernels/convert.h"
#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr int64_t kLongestTransform = int64_t{1} << 24;

// Numbers made in double precision, as another type.
Done Give(KernelContext& context, ElementType type, const Shape& shape,
          const std::vector<double>& values) {
  TRY(Tensor * output, context.Output(0, type, shape));
  const TensorView view{
      ElementType::kDouble,
      shape,
      {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(double)}};
  return ConvertElements(context.threads(), view, type, output->MutableBytes());
}

Result<int64_t> OneInteger(KernelContext& context, size_t index) {
  TRY(const std::vector<int64_t> values, ReadIndexTensor(context, index));
  if (values.size() != 1)
    return InputInvalid("input " + std::to_string(index) + " isn't one number");
  return values[0];
}

Result<double> OneNumber(KernelContext& context, size_t index) {
  TRY(const TensorView tensor, RequiredInput(context, index));
  double number = 0;
  TRY_OK(WithType(NumericTypes{}, tensor.type, [&]<class T>(std::type_identity<T>) -> Done {
    if (tensor.bytes.size() != sizeof(T)) return InputInvalid("an operand isn't one number");
    number = static_cast<double>(*Raw<T>(tensor));
    return {};
  }));
  return number;
}

// The coefficients of 1, cos(x) and cos(2 x) in a window.
struct WindowTerms {
  double constant;
  double first;
  double second;
};

class CosineWindow final : public Kernel {
 public:
  CosineWindow(WindowTerms terms, ElementType type, bool periodic)
      : terms_(terms), type_(type), periodic_(periodic) {}

  Done Run(KernelContext& context) const override {
    TRY(const int64_t size, OneInteger(context, 0));
    if (size < 0 || size > kLongestTransform)
      return InputInvalid("a window's size is out of range");
    const double divisor = static_cast<double>(periodic_ ? size : size - 1);
    std::vector<double> values;
    for (int64_t i = 0; i < size; ++i) {
      const double x = 2 * std::numbers::pi * static_cast<double>(i) / divisor;
      values.push_back(terms_.constant + terms_.first * std::cos(x) +
                       terms_.second * std::cos(2 * x));
    }
    return Give(context, type_, {size}, values);
  }

 private:
  WindowTerms terms_;
  ElementType type_;
  bool periodic_;
};

MadeKernel MakeCosineWindow(const NodeSpec& node, WindowTerms terms) {
  TRY_OK(CheckArity(node, {}));
  TRY(const ElementType type, ReadTypeAttribute(node, "output_datatype", ElementType::kFloat));
  TRY(const int64_t periodic, node.attributes.Int("periodic", 1));
  return std::make_unique<CosineWindow>(terms, type, periodic != 0);
}

struct Complex {
  double real = 0;
  double imaginary = 0;
};

// In place; the count is a power of two. `sign` -1 is the transform, 1 its inverse times the count.
void TransformPowerOfTwo(std::vector<Complex>& values, double sign) {
  const size_t n = values.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(values[i], values[j]);
  }
  for (size_t length = 2; length <= n; length <<= 1) {
    const double angle = sign * 2 * std::numbers::pi / static_cast<double>(length);
    for (size_t k = 0; k < length / 2; ++k) {
      const double c = std::cos(angle * static_cast<double>(k));
      const double s = std::sin(angle * static_cast<double>(k));
      for (size_t first = k; first < n; first += length) {
        Complex& a = values[first];
        Complex& b = values[first + length / 2];
        const Complex turned{b.real * c - b.imaginary * s, b.real * s + b.imaginary * c};
        b = {a.real - turned.real, a.imaginary - turned.imaginary};
        a = {a.real + turned.real, a.imaginary + turned.imaginary};
      }
    }
  }
}

// e to the (sign * i * pi * k^2 / n), the square reduced so that large ones stay exact.
Complex Chirp(size_t k, size_t n, double sign) {
  const size_t square = k * k % (2 * n);
  const double angle =
      sign * std::numbers::pi * static_cast<double>(square) / static_cast<double>(n);
  return {std::cos(angle), std::sin(angle)};
}

Complex Times(const Complex& a, const Complex& b) {
  return {a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real};
}

// Bluestein's algorithm: any count in n log n.
void Transform(std::vector<Complex>& values, double sign) {
  const size_t n = values.size();
  if (n == 0 || (n & (n - 1)) == 0) return TransformPowerOfTwo(values, sign);
  size_t padded = 1;
  while (padded < 2 * n) padded <<= 1;
  std::vector<Complex> a(padded);
  std::vector<Complex> b(padded);
  for (size_t k = 0; k < n; ++k) {
    a[k] = Times(values[k], Chirp(k, n, sign));
    b[k] = Chirp(k, n, -sign);
    if (k > 0) b[padded - k] = b[k];
  }
  TransformPowerOfTwo(a, -1);
  TransformPowerOfTwo(b, -1);
  for (size_t k = 0; k < padded; ++k) a[k] = Times(a[k], b[k]);
  TransformPowerOfTwo(a, 1);
  for (size_t k = 0; k < n; ++k) {
    const Complex scaled{a[k].real / static_cast<double>(padded),
                         a[k].imaginary / static_cast<double>(padded)};
    values[k] = Times(scaled, Chirp(k, n, sign));
  }
}

/// The discrete Fourier transform along one axis of a tensor whose last axis holds real numbers or
/// pairs. Types: float and double. Source: ONNX operator DFT, versions 17 and 20.
class Dft final : public Kernel {
 public:
  Dft(std::optional<int64_t> axis, bool inverse, bool onesided)
      : axis_(axis), inverse_(inverse), onesided_(onesided) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    const size_t rank = input.shape.size();
    if (rank < 2 || (input.shape.back() != 1 && input.shape.back() != 2)) {
      return ShapeInvalid("DFT: the last axis holds neither numbers nor pairs");
    }
    TRY(const size_t axis, ReadAxis(context, rank));
    int64_t length = input.shape[axis];
    if (context.HasInput(1)) {
      TRY(length, OneInteger(context, 1));
    }
    if (length < 1 || length > kLongestTransform) return InputInvalid("DFT: a length out of range");
    Shape shape = input.shape;
    shape[axis] = onesided_ ? length / 2 + 1 : length;
    shape.back() = 2;
    return WithType(FloatTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, shape));
      return Apply(input, axis, static_cast<size_t>(length), Raw<T>(input), shape, Raw<T>(*output));
    });
  }

 private:
  Result<size_t> ReadAxis(KernelContext& context, size_t rank) const {
    int64_t axis = axis_.value_or(-2);
    if (!axis_ && context.HasInput(2)) {
      TRY(axis, OneInteger(context, 2));
    }
    TRY(const size_t normalized, NormalizeAxis(axis, rank));
    if (normalized == rank - 1) return AttributeInvalid("DFT: the axis is that of the pairs");
    return normalized;
  }

  template <class T>
  Done Apply(const TensorView& input, size_t axis, size_t length, const T* source,
             const Shape& shape, T* target) const {
    const auto parts = static_cast<size_t>(input.shape.back());
    TRY(const size_t outer, CountBetween(input.shape, 0, axis));
    TRY(const size_t inner, CountBetween(input.shape, axis + 1, input.shape.size() - 1));
    const auto count = static_cast<size_t>(input.shape[axis]);
    const auto made = static_cast<size_t>(shape[axis]);
    std::vector<Complex> values;
    for (size_t row = 0; row < outer * inner; ++row) {
      values.assign(length, {});
      for (size_t i = 0; i < std::min(count, length); ++i) {
        const T* at = source + ((row / inner * count + i) * inner + row % inner) * parts;
        values[i] = {static_cast<double>(at[0]), parts == 2 ? static_cast<double>(at[1]) : 0};
      }
      Transform(values, inverse_ ? 1 : -1);
      const double scale = inverse_ ? 1 / static_cast<double>(length) : 1;
      for (size_t i = 0; i < made; ++i) {
        T* at = target + ((row / inner * made + i) * inner + row % inner) * 2;
        at[0] = static_cast<T>(values[i].real * scale);
        at[1] = static_cast<T>(values[i].imaginary * scale);
      }
    }
    return {};
  }

  std::optional<int64_t> axis_;  // none: an input says it
  bool inverse_;
  bool onesided_;
};

/// Transforms of frames of a signal, a step apart and weighted by a window. Types: float and
/// double. Source: ONNX operator STFT, version 17.
class Stft final : public Kernel {
 public:
  explicit Stft(bool onesided) : onesided_(onesided) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView signal, RequiredInput(context, 0));
    TRY(const int64_t step, OneInteger(context, 1));
    if (signal.shape.size() < 2 || signal.shape.size() > 3) {
      return ShapeInvalid("STFT: the signal hasn't two or three axes");
    }
    const auto parts = signal.shape.size() == 3 ? static_cast<size_t>(signal.shape[2]) : size_t{1};
    if (parts != 1 && parts != 2) return ShapeInvalid("STFT: the signal isn't numbers or pairs");
    TRY(const std::vector<double> window, ReadWindow(context, signal.type));
    const auto length = static_cast<int64_t>(window.size());
    if (step < 1 || length < 1 || length > signal.shape[1]) {
      return InputInvalid("STFT: the frame's length or step is out of range");
    }
    const int64_t frames = (signal.shape[1] - length) / step + 1;
    const Shape shape = {signal.shape[0], frames, onesided_ ? length / 2 + 1 : length, 2};
    return WithType(FloatTypes{}, signal.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, signal.type, shape));
      T* target = Raw<T>(*output);
      std::vector<Complex> values(window.size());
      for (int64_t frame = 0; frame < shape[0] * frames; ++frame) {
        const int64_t first = frame / frames * signal.shape[1] + frame % frames * step;
        for (size_t i = 0; i < values.size(); ++i) {
          const T* at = Raw<T>(signal) + (static_cast<size_t>(first) + i) * parts;
          values[i] = {static_cast<double>(at[0]) * window[i],
                       parts == 2 ? static_cast<double>(at[1]) * window[i] : 0};
        }
        Transform(values, -1);
        for (int64_t i = 0; i < shape[2]; ++i) {
          *target++ = static_cast<T>(values[static_cast<size_t>(i)].real);
          *target++ = static_cast<T>(values[static_cast<size_t>(i)].imaginary);
        }
      }
      return {};
    });
  }

 private:
  static Result<std::vector<double>> ReadWindow(KernelContext& context, ElementType type) {
    std::vector<double> window;
    if (context.HasInput(3)) {
      TRY(const int64_t length, OneInteger(context, 3));
      if (length < 1 || length > kLongestTransform) {
        return InputInvalid("STFT: the frame's length is out of range");
      }
      window.assign(static_cast<size_t>(length), 1.0);
    }
    if (!context.HasInput(2)) return window;
    TRY(const TensorView given, RequiredInput(context, 2));
    if (given.type != type) return InputInvalid("STFT: window and signal differ in type");
    const size_t length = window.size();
    window.clear();
    TRY_OK(WithType(FloatTypes{}, given.type, [&]<class T>(std::type_identity<T>) -> Done {
      for (const T value : given.Values<T>()) window.push_back(static_cast<double>(value));
      return {};
    }));
    if (length != 0 && window.size() != length) return InputInvalid("STFT: the window doesn't fit");
    return window;
  }

  bool onesided_;
};

/// The weights that turn a spectrum into mel bands. Source: ONNX operator MelWeightMatrix, version
/// 17.
class MelWeightMatrix final : public Kernel {
 public:
  explicit MelWeightMatrix(ElementType type) : type_(type) {}

  Done Run(KernelContext& context) const override {
    TRY(const int64_t bands, OneInteger(context, 0));
    TRY(const int64_t length, OneInteger(context, 1));
    TRY(const int64_t rate, OneInteger(context, 2));
    TRY(const double lower, OneNumber(context, 3));
    TRY(const double upper, OneNumber(context, 4));
    if (bands < 1 || bands > 1 << 16 || length < 1 || length > kLongestTransform || rate < 1) {
      return InputInvalid("MelWeightMatrix: an operand is out of range");
    }
    const int64_t bins = length / 2 + 1;
    TRY(const size_t count, ElementCount({bins, bands}));
    TRY_OK(context.Output(0, type_, {bins, bands}));  // refuses what memory can't hold
    std::vector<int64_t> edges;
    const double low = ToMel(lower);
    const double step = (ToMel(upper) - low) / static_cast<double>(bands + 2);
    for (int64_t i = 0; i < bands + 2; ++i) {
      const double frequency =
          700 * (std::pow(10, (static_cast<double>(i) * step + low) / 2595) - 1);
      const double bin =
          std::floor(static_cast<double>(length + 1) * frequency / static_cast<double>(rate));
      if (!(bin >= 0 && bin < static_cast<double>(bins))) {
        return InputInvalid("MelWeightMatrix: an edge lies outside the spectrum");
      }
      edges.push_back(static_cast<int64_t>(bin));
    }
    std::vector<double> weights(count, 0.0);
    for (size_t band = 0; band < static_cast<size_t>(bands); ++band) {
      Fill(edges[band], edges[band + 1], edges[band + 2], band, static_cast<size_t>(bands),
           weights);
    }
    return Give(context, type_, {bins, bands}, weights);
  }

 private:
  static double ToMel(double frequency) { return 2595 * std::log10(1 + frequency / 700); }

  static void Fill(int64_t low, int64_t centre, int64_t high, size_t band, size_t bands,
                   std::vector<double>& weights) {
    const auto at = [&](int64_t bin) -> double& {
      return weights[static_cast<size_t>(bin) * bands + band];
    };
    if (low == centre) at(centre) = 1;
    for (int64_t bin = low; bin <= centre && low != centre; ++bin) {
      at(bin) = static_cast<double>(bin - low) / static_cast<double>(centre - low);
    }
    for (int64_t bin = centre; bin < high; ++bin) {
      at(bin) = static_cast<double>(high - bin) / static_cast<double>(high - centre);
    }
  }

  ElementType type_;
};

}  // namespace

/// Source: ONNX operator HannWindow, version 17.
MadeKernel MakeHannWindow(const NodeSpec& node) { return MakeCosineWindow(node, {0.5, -0.5, 0}); }

/// Source: ONNX operator HammingWindow, version 17.
MadeKernel MakeHammingWindow(const NodeSpec& node) {
  return MakeCosineWindow(node, {25.0 / 46, -21.0 / 46, 0});
}

/// Source: ONNX operator BlackmanWindow, version 17.
MadeKernel MakeBlackmanWindow(const NodeSpec& node) {
  return MakeCosineWindow(node, {0.42, -0.5, 0.08});
}

MadeKernel MakeDFT(const NodeSpec& node) {
  const bool axis_by_input = node.opset >= 20;
  TRY_OK(CheckArity(node, {.most_inputs = axis_by_input ? size_t{3} : size_t{2}}));
  std::optional<int64_t> axis;
  if (!axis_by_input) {
    TRY(axis, node.attributes.Int("axis", 1));
  }
  TRY(const int64_t inverse, node.attributes.Int("inverse", 0));
  TRY(const int64_t onesided, node.attributes.Int("onesided", 0));
  if (inverse != 0 && onesided != 0) return AttributeInvalid("DFT: an inverse can't be onesided");
  return std::make_unique<Dft>(axis, inverse != 0, onesided != 0);
}

MadeKernel MakeSTFT(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 4}));
  TRY(const int64_t onesided, node.attributes.Int("onesided", 1));
  return std::make_unique<Stft>(onesided != 0);
}

MadeKernel MakeMelWeightMatrix(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 5, .most_inputs = 5}));
  TRY(const ElementType type, ReadTypeAttribute(node, "output_datatype", ElementType::kFloat));
  return std::make_unique<MelWeightMatrix>(type);
}

}  // namespace ephemeralml::engine::kernels
