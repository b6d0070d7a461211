#include <algorithm>
#include <limits>

#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {
namespace {

struct Max {
  static constexpr float kIdentity = std::numeric_limits<float>::lowest();
  static float Combine(float a, float b) { return b > a ? b : a; }
};
struct Sum {
  static constexpr float kIdentity = 0;
  static float Combine(float a, float b) { return a + b; }
};

template <class Fold>
[[gnu::always_inline]] inline void FoldTap(const float* x, int64_t stride, int64_t count,
                                           float* y) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] = Fold::Combine(y[i], x[i]);
  } else if (stride == 2) {
    for (int64_t i = 0; i < count; ++i) y[i] = Fold::Combine(y[i], x[2 * i]);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = Fold::Combine(y[i], x[stride * i]);
  }
}

// Lines [begin, end) of one output plane.
template <class Fold>
EPHEMERAL_MULTIVERSION void FoldLines(const Window& w, const float* plane, int64_t begin,
                                      int64_t end, float* y) {
  const int64_t first_column = w.TapsInside(2, w.output[2] - 1).begin;
  const int64_t end_column = w.TapsInside(2, 0).end;
  for (int64_t line = begin; line < end; ++line, y += w.output[2]) {
    std::fill_n(y, w.output[2], Fold::kIdentity);
    const Window::Range planes = w.TapsInside(0, line / w.output[1]);
    const Window::Range rows = w.TapsInside(1, line % w.output[1]);
    for (int64_t z = planes.begin; z < planes.end; ++z) {
      const int64_t in_z = line / w.output[1] * w.stride[0] + w.TapAt(0, z);
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const int64_t in_y = line % w.output[1] * w.stride[1] + w.TapAt(1, row);
        for (int64_t x = first_column; x < end_column; ++x) {
          const Window::Range inside = w.Inside(2, x);
          FoldTap<Fold>(plane + (in_z * w.input[1] + in_y) * w.input[2] +
                            inside.begin * w.stride[2] + w.TapAt(2, x),
                        w.stride[2], inside.end - inside.begin, y + inside.begin);
        }
      }
    }
  }
}

// For each output of an axis: how many taps count for its average. Padding counts if asked for, but
// never what lies beyond it, where windows reach in ceil mode.
std::vector<float> TapCounts(const Window& w, size_t axis, bool include_pad) {
  std::vector<float> counts;
  for (int64_t out = 0; out < w.output[axis]; ++out) {
    const int64_t at = out * w.stride[axis] - w.pad_begin[axis];
    const int64_t least = include_pad ? -w.pad_begin[axis] : 0;
    const int64_t most = w.input[axis] + (include_pad ? w.pad_end[axis] : 0);
    // The first tap at or after an element.
    const auto tap_from = [&](int64_t element) {
      const int64_t d = w.dilation[axis];
      return element <= at ? 0 : std::min((element - at + d - 1) / d, w.kernel[axis]);
    };
    const int64_t count = tap_from(most) - tap_from(least);
    counts.push_back(static_cast<float>(count));
  }
  return counts;
}

struct PoolAttributes {
  WindowAttributes window;
  bool include_pad = false;
  bool column_major_indices = false;
};

// Batch and channels of a pool's input, and where the window slides.
struct PoolShape {
  int64_t planes = 0;
  Window window;
  Shape output;
};

Result<PoolShape> ReadShape(const KernelContext& context, const WindowAttributes& attributes) {
  TRY_OK(RequireFloat(context, 0));
  const Shape& x = context.InputShape(0);
  PoolShape shape;
  TRY_OK(ElementCount(attributes.kernel_shape));
  TRY(shape.window, SlideWindow(attributes, x, attributes.kernel_shape));
  shape.planes = x[0] * x[1];
  shape.output = WindowShape(x[0], x[1], shape.window, shape.window.output);
  return shape;
}

template <class Fold>
void Slide(Threads& threads, const PoolShape& shape, const float* x, float* y) {
  const Window& w = shape.window;
  const int64_t lines = w.output[0] * w.output[1];
  const int64_t work = w.output[2] * w.MostTaps();
  threads.ParallelFor(
      static_cast<size_t>(shape.planes * lines), static_cast<size_t>(32 * 1024 / work + 1),
      [&](size_t begin, size_t end) {
        for (auto line = static_cast<int64_t>(begin); line < static_cast<int64_t>(end);) {
          const int64_t plane = line / lines;
          const int64_t next = std::min(static_cast<int64_t>(end), (plane + 1) * lines);
          FoldLines<Fold>(w, x + plane * Volume(w.input), line - plane * lines,
                          next - plane * lines, y + line * w.output[2]);
          line = next;
        }
      });
}

/// Means of what the window covers. Types: float32.
/// Errors: kUnsupported `type_unsupported`, `operator_unsupported` (more than three spatial axes);
/// kMalformed `shape_invalid`, `attribute_invalid`.
/// Source: ONNX operator AveragePool, versions 1 to 19.
class AveragePool final : public Kernel {
 public:
  explicit AveragePool(PoolAttributes attributes) : attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const PoolShape shape, ReadShape(context, attributes_.window));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape.output));
    if (output->byte_count() == 0) return {};
    const std::span<float> y = output->MutableValues<float>();
    Slide<Sum>(context.threads(), shape, x.Values<float>().data(), y.data());
    Divide(shape, y);
    return {};
  }

 private:
  void Divide(const PoolShape& shape, std::span<float> y) const {
    const auto counts = [&](size_t axis) {
      return TapCounts(shape.window, axis, attributes_.include_pad);
    };
    const std::vector<float> z_counts = counts(0), y_counts = counts(1), x_counts = counts(2);
    size_t at = 0;
    for (int64_t plane = 0; plane < shape.planes; ++plane) {
      for (const float z_count : z_counts) {
        for (const float y_count : y_counts) {
          for (const float x_count : x_counts) y[at++] /= z_count * y_count * x_count;
        }
      }
    }
  }

  PoolAttributes attributes_;
};

/// Maxima of what the window covers, and where in the input they lie. Types: float32.
/// Errors: as AveragePool. Source: ONNX operator MaxPool, versions 1 to 12.
class MaxPool final : public Kernel {
 public:
  explicit MaxPool(PoolAttributes attributes) : attributes_(std::move(attributes)) {}

  Done Run(KernelContext& context) const override {
    TRY(const PoolShape shape, ReadShape(context, attributes_.window));
    TRY(const TensorView x, context.Input(0));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape.output));
    const float* source = x.Values<float>().data();
    float* y = output->MutableValues<float>().data();
    if (!context.WantsOutput(1)) {
      if (output->byte_count() > 0) Slide<Max>(context.threads(), shape, source, y);
      return {};
    }
    TRY(Tensor * indices, context.Output(1, ElementType::kInt64, shape.output));
    if (output->byte_count() > 0) {
      SlideWithIndices(context.threads(), shape, source, y,
                       indices->MutableValues<int64_t>().data());
    }
    return {};
  }

 private:
  void SlideWithIndices(Threads& threads, const PoolShape& shape, const float* x, float* y,
                        int64_t* indices) const {
    const int64_t pixels = Volume(shape.window.output);
    threads.ParallelFor(static_cast<size_t>(shape.planes), 1, [&](size_t begin, size_t end) {
      for (auto plane = static_cast<int64_t>(begin); plane < static_cast<int64_t>(end); ++plane) {
        const int64_t offset = plane * Volume(shape.window.input);
        for (int64_t pixel = 0; pixel < pixels; ++pixel) {
          FindMaximum(shape.window, x + offset, pixel, y[plane * pixels + pixel],
                      indices[plane * pixels + pixel]);
          indices[plane * pixels + pixel] += offset;
        }
      }
    });
  }

  void FindMaximum(const Window& w, const float* plane, int64_t pixel, float& best,
                   int64_t& best_at) const {
    const Spatial out = {pixel / (w.output[1] * w.output[2]), pixel / w.output[2] % w.output[1],
                         pixel % w.output[2]};
    const auto in = [&](size_t axis, int64_t tap) {
      return out[axis] * w.stride[axis] + w.TapAt(axis, tap);
    };
    best = Max::kIdentity;
    best_at = 0;
    const Window::Range planes = w.TapsInside(0, out[0]);
    const Window::Range rows = w.TapsInside(1, out[1]);
    const Window::Range columns = w.TapsInside(2, out[2]);
    for (int64_t z = planes.begin; z < planes.end; ++z) {
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        for (int64_t x = columns.begin; x < columns.end; ++x) {
          const float value = plane[(in(0, z) * w.input[1] + in(1, row)) * w.input[2] + in(2, x)];
          if (value <= best) continue;
          best = value;
          best_at = IndexOf(w, in(0, z), in(1, row), in(2, x));
        }
      }
    }
  }

  int64_t IndexOf(const Window& w, int64_t z, int64_t y, int64_t x) const {
    return attributes_.column_major_indices ? (x * w.input[1] + y) * w.input[0] + z
                                            : (z * w.input[1] + y) * w.input[2] + x;
  }

  PoolAttributes attributes_;
};

Result<PoolAttributes> ReadAttributes(const NodeSpec& node) {
  PoolAttributes read;
  TRY(read.window, WindowAttributes::ReadPool(node.attributes));
  read.window.cuts_window = true;
  TRY(const int64_t include_pad, node.attributes.Int("count_include_pad", 0));
  TRY(const int64_t storage_order, node.attributes.Int("storage_order", 0));
  if (read.window.kernel_shape.empty()) {
    return AttributeInvalid(node.op + ": attribute 'kernel_shape' is missing");
  }
  // Padding is less than the kernel, so that every window covers some input.
  const auto& pads = read.window.pads;
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i] >= read.window.kernel_shape[i % read.window.kernel_shape.size()]) {
      return AttributeInvalid(node.op + ": the padding isn't smaller than the kernel");
    }
  }
  read.include_pad = include_pad != 0;
  read.column_major_indices = storage_order != 0;
  return read;
}

// [N, C, spatial...] to [N, C, 1...], plane by plane.
template <class FoldPlane>
Done FoldPlanes(KernelContext& context, FoldPlane fold) {
  TRY_OK(RequireFloat(context, 0));
  Shape shape = context.InputShape(0);
  if (shape.size() < 3) return ShapeInvalid("the input has no spatial axis");
  TRY(const size_t elements, CountBetween(shape, 2, shape.size()));
  if (elements == 0) return ShapeInvalid("a spatial extent of the input is empty");
  std::fill(shape.begin() + 2, shape.end(), 1);
  TRY(const TensorView x, context.Input(0));
  TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape));
  const float* source = x.Values<float>().data();
  const std::span<float> y = output->MutableValues<float>();
  context.threads().ParallelFor(y.size(), RowGrain(elements), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) y[i] = fold(source + i * elements, elements);
  });
  return {};
}

EPHEMERAL_MULTIVERSION float MeanOf(const float* values, size_t count) {
  return SumLanes(values, count, [](float x) { return x; }) / static_cast<float>(count);
}

EPHEMERAL_MULTIVERSION float MaximumOf(const float* values, size_t count) {
  return FoldLanes(
      values, count, Max::kIdentity, [](float x) { return x; }, Max::Combine);
}

/// Source: ONNX operator GlobalAveragePool, version 1.
class GlobalAveragePool final : public Kernel {
 public:
  Done Run(KernelContext& context) const override { return FoldPlanes(context, MeanOf); }
};

/// Source: ONNX operator GlobalMaxPool, version 1.
class GlobalMaxPool final : public Kernel {
 public:
  Done Run(KernelContext& context) const override { return FoldPlanes(context, MaximumOf); }
};

}  // namespace

MadeKernel MakeAveragePool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(PoolAttributes attributes, ReadAttributes(node));
  return std::make_unique<AveragePool>(std::move(attributes));
}

MadeKernel MakeMaxPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_outputs = 2}));
  TRY(PoolAttributes attributes, ReadAttributes(node));
  return std::make_unique<MaxPool>(std::move(attributes));
}

MadeKernel MakeGlobalAveragePool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<GlobalAveragePool>();
}

MadeKernel MakeGlobalMaxPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<GlobalMaxPool>();
}

}  // namespace ephemeralml::engine::kernels
