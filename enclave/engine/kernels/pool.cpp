#include <algorithm>
#include <limits>

#include "enclave/engine/kernels/lanes.h"
#include "enclave/engine/kernels/matrix_inputs.h"
#include "enclave/engine/kernels/multiversion.h"
#include "enclave/engine/kernels/window.h"

namespace ephemeralml::engine::kernels {
namespace {

// The part of the kernel that lies on the input for one output element of one axis.
struct Taps {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t padded = 0;  // taps on the input or its padding
};

Taps TapsAt(const Window& w, size_t axis, int64_t output) {
  const int64_t start = output * w.stride[axis] - w.pad_begin[axis];
  const int64_t step = w.dilation[axis];
  const auto until = [&](int64_t limit) {
    const int64_t count = limit <= start ? 0 : (limit - start + step - 1) / step;
    return std::min(count, w.kernel[axis]);
  };
  return {start >= 0 ? 0 : std::min((-start + step - 1) / step, w.kernel[axis]),
          until(w.input[axis]), until(w.input[axis] + w.pad_end[axis])};
}

// Calls `visit(offset)` for each element of a plane under the window.
template <class Visit>
void ForEachUnder(const Window& w, const Spatial& output,
                  const std::array<Taps, kSpatialAxes>& taps, Visit visit) {
  const auto at = [&](size_t axis, int64_t tap) {
    return output[axis] * w.stride[axis] + w.TapAt(axis, tap);
  };
  for (int64_t i = taps[0].begin; i < taps[0].end; ++i) {
    for (int64_t j = taps[1].begin; j < taps[1].end; ++j) {
      const int64_t row = (at(0, i) * w.input[1] + at(1, j)) * w.input[2];
      for (int64_t k = taps[2].begin; k < taps[2].end; ++k) visit(row + at(2, k));
    }
  }
}

// Calls `body(output place, its taps, its offset)` for each output element of a plane.
template <class Body>
void ForEachOutput(const Window& w, Body body) {
  int64_t offset = 0;
  Spatial place;
  std::array<Taps, kSpatialAxes> taps;
  for (place[0] = 0; place[0] < w.output[0]; ++place[0]) {
    taps[0] = TapsAt(w, 0, place[0]);
    for (place[1] = 0; place[1] < w.output[1]; ++place[1]) {
      taps[1] = TapsAt(w, 1, place[1]);
      for (place[2] = 0; place[2] < w.output[2]; ++place[2]) {
        taps[2] = TapsAt(w, 2, place[2]);
        body(place, taps, offset++);
      }
    }
  }
}

struct Planes {
  Window window;
  size_t count = 0;
  const float* x = nullptr;
  Shape output;

  size_t input_plane() const { return static_cast<size_t>(Volume(window.input)); }
  size_t output_plane() const { return static_cast<size_t>(Volume(window.output)); }
};

Result<Planes> ReadPlanes(KernelContext& context, const WindowAttributes& attributes) {
  TRY_OK(RequireFloat(context, 0));
  TRY(const TensorView x, context.Input(0));
  Planes planes;
  TRY(planes.window, SlideWindow(attributes, x.shape, attributes.kernel_shape));
  TRY(planes.count, CountBetween(x.shape, 0, 2));
  planes.x = x.Values<float>().data();
  planes.output = WindowShape(x.shape[0], x.shape[1], planes.window, planes.window.output);
  return planes;
}

/// Averages of what lies under a sliding window. Types: float32.
/// Errors: kUnsupported `type_unsupported`, `operator_unsupported`; kMalformed `shape_invalid`.
/// Source: ONNX operator AveragePool, versions 7 to 19.
class AveragePool final : public Kernel {
 public:
  AveragePool(WindowAttributes attributes, bool counts_padding)
      : attributes_(std::move(attributes)), counts_padding_(counts_padding) {}

  Done Run(KernelContext& context) const override {
    TRY(const Planes planes, ReadPlanes(context, attributes_));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, planes.output));
    float* y = output->MutableValues<float>().data();
    const Window& w = planes.window;
    context.threads().ParallelFor(
        planes.count, RowGrain(planes.output_plane()), [&](size_t begin, size_t end) {
          for (size_t plane = begin; plane < end; ++plane) {
            const float* from = planes.x + plane * planes.input_plane();
            float* to = y + plane * planes.output_plane();
            ForEachOutput(w, [&](const Spatial& place, const auto& taps, int64_t offset) {
              double sum = 0;
              ForEachUnder(w, place, taps, [&](int64_t i) { sum += static_cast<double>(from[i]); });
              int64_t count = 1;
              for (const Taps& t : taps)
                count *= counts_padding_ ? t.padded : std::max<int64_t>(t.end - t.begin, 0);
              to[offset] = count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
            });
          }
        });
    return {};
  }

 private:
  WindowAttributes attributes_;
  bool counts_padding_;
};

/// The largest of what lies under a sliding window, and where it lies. Types: float32.
/// Errors: as AveragePool. Source: ONNX operator MaxPool, versions 1 to 12.
class MaxPool final : public Kernel {
 public:
  MaxPool(WindowAttributes attributes, bool column_major)
      : attributes_(std::move(attributes)), column_major_(column_major) {}

  Done Run(KernelContext& context) const override {
    TRY(const Planes planes, ReadPlanes(context, attributes_));
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, planes.output));
    float* y = output->MutableValues<float>().data();
    int64_t* indices = nullptr;
    if (context.output_count() > 1 && context.WantsOutput(1)) {
      TRY(Tensor * places, context.Output(1, ElementType::kInt64, planes.output));
      indices = places->MutableValues<int64_t>().data();
    }
    context.threads().ParallelFor(planes.count, RowGrain(planes.output_plane()),
                                  [&](size_t begin, size_t end) {
                                    for (size_t plane = begin; plane < end; ++plane)
                                      RunPlane(planes, plane, y, indices);
                                  });
    return {};
  }

 private:
  void RunPlane(const Planes& planes, size_t plane, float* y, int64_t* indices) const {
    const Window& w = planes.window;
    const float* from = planes.x + plane * planes.input_plane();
    const size_t to = plane * planes.output_plane();
    ForEachOutput(w, [&](const Spatial& place, const auto& taps, int64_t offset) {
      float largest = -std::numeric_limits<float>::infinity();
      int64_t where = -1;
      ForEachUnder(w, place, taps, [&](int64_t i) {
        if (where >= 0 && !(from[i] > largest)) return;
        largest = from[i];
        where = i;
      });
      y[to + static_cast<size_t>(offset)] = largest;
      if (indices != nullptr) {
        indices[to + static_cast<size_t>(offset)] =
            static_cast<int64_t>(plane * planes.input_plane()) +
            (column_major_ ? ColumnMajor(w, where) : where);
      }
    });
  }

  // The offset of a plane's element where the last axis were the slowest.
  static int64_t ColumnMajor(const Window& w, int64_t offset) {
    const int64_t k = offset % w.input[2];
    const int64_t j = offset / w.input[2] % w.input[1];
    const int64_t i = offset / w.input[2] / w.input[1];
    return (k * w.input[1] + j) * w.input[0] + i;
  }

  WindowAttributes attributes_;
  bool column_major_;
};

EPHEMERAL_MULTIVERSION float Average(const float* x, size_t count) {
  const double sum = FoldLanes(
      x, count, 0.0, [](float v) { return static_cast<double>(v); },
      [](double a, double b) { return a + b; });
  return static_cast<float>(sum / static_cast<double>(count));
}

float Largest(const float* x, size_t count) {
  return count == 0 ? -std::numeric_limits<float>::infinity() : *std::max_element(x, x + count);
}

/// One number for each channel's whole plane. Types: float32.
/// Errors: kUnsupported `type_unsupported`; kMalformed `shape_invalid`.
/// Source: ONNX operators GlobalAveragePool and GlobalMaxPool, version 1.
class GlobalPool final : public Kernel {
 public:
  explicit GlobalPool(float (*reduce)(const float*, size_t)) : reduce_(reduce) {}

  Done Run(KernelContext& context) const override {
    TRY_OK(RequireFloat(context, 0));
    TRY(const TensorView x, context.Input(0));
    if (x.shape.size() < 2) return ShapeInvalid("a global pool's input has no channels");
    Shape shape(x.shape.size(), 1);
    std::copy_n(x.shape.begin(), 2, shape.begin());
    TRY(Tensor * output, context.Output(0, ElementType::kFloat, shape));
    TRY(const size_t planes, CountBetween(x.shape, 0, 2));
    TRY(const size_t size, CountBetween(x.shape, 2, x.shape.size()));
    const float* from = x.Values<float>().data();
    float* to = output->MutableValues<float>().data();
    context.threads().ParallelFor(planes, RowGrain(size), [&](size_t begin, size_t end) {
      for (size_t plane = begin; plane < end; ++plane)
        to[plane] = reduce_(from + plane * size, size);
    });
    return {};
  }

 private:
  float (*reduce_)(const float*, size_t);
};

Result<WindowAttributes> ReadWindow(const NodeSpec& node) {
  TRY(WindowAttributes attributes, WindowAttributes::Read(node.attributes));
  if (attributes.kernel_shape.empty()) return AttributeInvalid("a pool must have a `kernel_shape`");
  return attributes;
}

}  // namespace

MadeKernel MakeAveragePool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  TRY(WindowAttributes attributes, ReadWindow(node));
  TRY(const int64_t counts_padding, node.attributes.Int("count_include_pad", 0));
  return std::make_unique<AveragePool>(std::move(attributes), counts_padding != 0);
}

MadeKernel MakeMaxPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.most_outputs = 2}));
  TRY(WindowAttributes attributes, ReadWindow(node));
  TRY(const int64_t storage_order, node.attributes.Int("storage_order", 0));
  return std::make_unique<MaxPool>(std::move(attributes), storage_order == 1);
}

MadeKernel MakeGlobalAveragePool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<GlobalPool>(Average);
}

MadeKernel MakeGlobalMaxPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {}));
  return std::make_unique<GlobalPool>(Largest);
}

}  // namespace ephemeralml::engine::kernels
