// Operators on boxes in pictures: NonMaxSuppression, RoiAlign, MaxRoiPool.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "enclave/engine/kernels/indices.h"
#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr int64_t kMostPooled = 4096;  // extent of a pooled region

Result<TensorView> FloatInput(KernelContext& context, size_t index) {
  TRY_OK(RequireInput(context, index));
  TRY_OK(RequireFloat(context, index));
  return context.Input(index);
}

struct Box {
  float top, left, bottom, right;
  float area() const { return (bottom - top) * (right - left); }
};

float Overlap(const Box& a, const Box& b) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0 && width > 0)) return 0;
  const float shared = height * width;
  return shared / (a.area() + b.area() - shared);
}

/// Boxes by falling score, without those that overlap a better one. Types: float32. Source: ONNX
/// operator NonMaxSuppression, versions 10 and 11.
class NonMaxSuppression final : public Kernel {
 public:
  explicit NonMaxSuppression(bool is_centred) : is_centred_(is_centred) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView boxes, FloatInput(context, 0));
    TRY(const TensorView scores, FloatInput(context, 1));
    if (boxes.shape.size() != 3 || scores.shape.size() != 3 || boxes.shape[2] != 4 ||
        boxes.shape[0] != scores.shape[0] || boxes.shape[1] != scores.shape[2]) {
      return ShapeInvalid("NonMaxSuppression: boxes and scores don't fit");
    }
    TRY(const Limits limits, ReadLimits(context));
    std::vector<int64_t> kept;
    for (int64_t row = 0; row < scores.shape[0] * scores.shape[1]; ++row) {
      const int64_t batch = row / scores.shape[1];
      const auto count = static_cast<size_t>(boxes.shape[1]);
      const float* first = boxes.Values<float>().data() + static_cast<size_t>(batch) * count * 4;
      const auto of_class = scores.Values<float>().subspan(static_cast<size_t>(row) * count, count);
      for (const size_t box : Select(first, of_class, limits)) {
        kept.insert(kept.end(), {batch, row % scores.shape[1], static_cast<int64_t>(box)});
      }
    }
    TRY(Tensor * output,
        context.Output(0, ElementType::kInt64, {static_cast<int64_t>(kept.size() / 3), 3}));
    std::ranges::copy(kept, output->MutableValues<int64_t>().begin());
    return {};
  }

 private:
  struct Limits {
    int64_t most = 0;
    float overlap = 0;
    std::optional<float> score;
  };

  static Result<Limits> ReadLimits(KernelContext& context) {
    Limits limits;
    if (context.HasInput(2)) {
      TRY(const std::vector<int64_t> most, ReadIndexTensor(context, 2));
      if (most.size() != 1) return InputInvalid("NonMaxSuppression: a limit isn't one number");
      limits.most = most[0];
    }
    if (context.HasInput(3)) {
      TRY(const TensorView tensor, context.Input(3));
      TRY(limits.overlap, OneElement<float>(tensor));
    }
    if (context.HasInput(4)) {
      TRY(const TensorView tensor, context.Input(4));
      TRY(limits.score, OneElement<float>(tensor));
    }
    return limits;
  }

  Box BoxAt(const float* boxes, size_t i) const {
    const float* b = boxes + i * 4;
    if (is_centred_) {
      return {b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    }
    return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
  }

  std::vector<size_t> Select(const float* boxes, std::span<const float> scores,
                             const Limits& limits) const {
    std::vector<size_t> order;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (!limits.score || scores[i] > *limits.score) order.push_back(i);
    }
    std::ranges::stable_sort(order, [&](size_t a, size_t b) {
      if (std::isnan(scores[a]) || std::isnan(scores[b])) {
        return !std::isnan(scores[a]) && std::isnan(scores[b]);
      }
      return scores[a] > scores[b];
    });
    std::vector<size_t> kept;
    for (const size_t i : order) {
      if (static_cast<int64_t>(kept.size()) >= limits.most) break;
      const Box box = BoxAt(boxes, i);
      const bool is_covered = std::ranges::any_of(
          kept, [&](size_t better) { return Overlap(box, BoxAt(boxes, better)) > limits.overlap; });
      if (!is_covered) kept.push_back(i);
    }
    return kept;
  }

  bool is_centred_;
};

struct PooledSize {
  int64_t height = 1;
  int64_t width = 1;
};

struct Picture {
  const float* plane;
  int64_t height;
  int64_t width;
};

/// Means or maxima of points sampled in each bin of a region. Types: float32. Source: ONNX operator
/// RoiAlign, versions 10 and 16.
class RoiAlign final : public Kernel {
 public:
  RoiAlign(PooledSize size, bool takes_max, bool half_pixel, int64_t sampling, float scale)
      : size_(size),
        takes_max_(takes_max),
        half_pixel_(half_pixel),
        sampling_(sampling),
        scale_(scale) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, FloatInput(context, 0));
    TRY(const TensorView rois, FloatInput(context, 1));
    TRY(const std::vector<int64_t> batches, ReadIndexTensor(context, 2));
    if (x.shape.size() != 4 || rois.shape.size() != 2 || rois.shape[1] != 4 ||
        rois.shape[0] != static_cast<int64_t>(batches.size())) {
      return ShapeInvalid("RoiAlign: picture and regions don't fit");
    }
    if (x.shape[2] < 1 || x.shape[3] < 1) return ShapeInvalid("RoiAlign: the picture is empty");
    TRY(Tensor * output, context.Output(0, ElementType::kFloat,
                                        {rois.shape[0], x.shape[1], size_.height, size_.width}));
    const int64_t plane = x.shape[2] * x.shape[3];
    float* target = output->MutableValues<float>().data();
    for (size_t i = 0; i < batches.size(); ++i) {
      if (batches[i] < 0 || batches[i] >= x.shape[0]) {
        return InputInvalid("RoiAlign: a region's picture isn't there");
      }
      for (int64_t c = 0; c < x.shape[1]; ++c) {
        const Picture picture{x.Values<float>().data() + (batches[i] * x.shape[1] + c) * plane,
                              x.shape[2], x.shape[3]};
        TRY(target, Pool(picture, rois.Values<float>().data() + i * 4, target));
      }
    }
    return {};
  }

 private:
  Result<float*> Pool(const Picture& picture, const float* roi, float* target) const {
    const float offset = half_pixel_ ? 0.5f : 0.0f;
    const float left = roi[0] * scale_ - offset;
    const float top = roi[1] * scale_ - offset;
    float width = roi[2] * scale_ - offset - left;
    float height = roi[3] * scale_ - offset - top;
    if (!half_pixel_) {
      width = std::max(width, 1.0f);
      height = std::max(height, 1.0f);
    }
    const float bin_height = height / static_cast<float>(size_.height);
    const float bin_width = width / static_cast<float>(size_.width);
    TRY(const int64_t rows, Samples(bin_height));
    TRY(const int64_t columns, Samples(bin_width));
    for (int64_t bin = 0; bin < size_.height * size_.width; ++bin) {
      const float y = top + static_cast<float>(bin / size_.width) * bin_height;
      const float x = left + static_cast<float>(bin % size_.width) * bin_width;
      float sum = 0;
      float largest = -std::numeric_limits<float>::infinity();
      for (int64_t s = 0; s < rows * columns; ++s) {
        const float dy = (static_cast<float>(s / columns) + 0.5f) / static_cast<float>(rows);
        const float dx = (static_cast<float>(s % columns) + 0.5f) / static_cast<float>(columns);
        const auto [mean, peak] = At(picture, y + dy * bin_height, x + dx * bin_width);
        sum += mean;
        largest = std::max(largest, peak);
      }
      *target++ =
          takes_max_ ? largest : sum / static_cast<float>(std::max<int64_t>(rows * columns, 1));
    }
    return target;
  }

  Result<int64_t> Samples(float bin) const {
    if (sampling_ > 0) return sampling_;
    const float count = std::ceil(bin);
    if (!(count >= 0 && count < static_cast<float>(kMostPooled))) {
      return InputInvalid("RoiAlign: a region is out of range");
    }
    return static_cast<int64_t>(count);
  }

  // Interpolated, and the largest of the four weighted neighbours.
  static std::pair<float, float> At(const Picture& p, float y, float x) {
    if (!(y >= -1 && y <= static_cast<float>(p.height) && x >= -1 &&
          x <= static_cast<float>(p.width))) {
      return {0, 0};
    }
    y = std::max(y, 0.0f);
    x = std::max(x, 0.0f);
    const int64_t y0 = std::min(static_cast<int64_t>(y), p.height - 1);
    const int64_t x0 = std::min(static_cast<int64_t>(x), p.width - 1);
    const int64_t y1 = std::min(y0 + 1, p.height - 1);
    const int64_t x1 = std::min(x0 + 1, p.width - 1);
    const float dy = y0 == p.height - 1 ? 0 : y - static_cast<float>(y0);
    const float dx = x0 == p.width - 1 ? 0 : x - static_cast<float>(x0);
    const std::array<float, 4> parts = {(1 - dy) * (1 - dx) * p.plane[y0 * p.width + x0],
                                        (1 - dy) * dx * p.plane[y0 * p.width + x1],
                                        dy * (1 - dx) * p.plane[y1 * p.width + x0],
                                        dy * dx * p.plane[y1 * p.width + x1]};
    return {parts[0] + parts[1] + parts[2] + parts[3], std::ranges::max(parts)};
  }

  PooledSize size_;
  bool takes_max_;
  bool half_pixel_;
  int64_t sampling_;
  float scale_;
};

/// Maxima of a region's bins. Types: float32. Source: ONNX operator MaxRoiPool, version 1.
class MaxRoiPool final : public Kernel {
 public:
  MaxRoiPool(PooledSize size, float scale) : size_(size), scale_(scale) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView x, FloatInput(context, 0));
    TRY(const TensorView rois, FloatInput(context, 1));
    if (x.shape.size() != 4 || rois.shape.size() != 2 || rois.shape[1] != 5) {
      return ShapeInvalid("MaxRoiPool: picture and regions don't fit");
    }
    TRY(Tensor * output, context.Output(0, ElementType::kFloat,
                                        {rois.shape[0], x.shape[1], size_.height, size_.width}));
    float* target = output->MutableValues<float>().data();
    for (int64_t i = 0; i < rois.shape[0]; ++i) {
      const float* roi = rois.Values<float>().data() + i * 5;
      std::array<int64_t, 4> box = {};
      for (size_t k = 0; k < 4; ++k) {
        const float at = std::round(roi[k + 1] * scale_);
        if (!(std::fabs(at) < 1e9f)) return InputInvalid("MaxRoiPool: a region is out of range");
        box[k] = static_cast<int64_t>(at);
      }
      if (!(roi[0] >= 0 && roi[0] < static_cast<float>(x.shape[0]))) {
        return InputInvalid("MaxRoiPool: a region's picture isn't there");
      }
      for (int64_t c = 0; c < x.shape[1]; ++c) {
        const int64_t plane = static_cast<int64_t>(roi[0]) * x.shape[1] + c;
        const Picture picture{x.Values<float>().data() + plane * x.shape[2] * x.shape[3],
                              x.shape[2], x.shape[3]};
        target = Pool(picture, box, target);
      }
    }
    return {};
  }

 private:
  float* Pool(const Picture& p, const std::array<int64_t, 4>& box, float* target) const {
    const auto height = static_cast<float>(std::max<int64_t>(box[3] - box[1] + 1, 1));
    const auto width = static_cast<float>(std::max<int64_t>(box[2] - box[0] + 1, 1));
    const auto edge = [](float extent, int64_t bins, int64_t i, int64_t first, int64_t limit,
                         bool up) {
      const float at = static_cast<float>(i) * (extent / static_cast<float>(bins));
      const auto whole = static_cast<int64_t>(up ? std::ceil(at) : std::floor(at));
      return std::clamp<int64_t>(whole + first, 0, limit);
    };
    for (int64_t bin = 0; bin < size_.height * size_.width; ++bin) {
      const int64_t row = bin / size_.width;
      const int64_t column = bin % size_.width;
      const int64_t y0 = edge(height, size_.height, row, box[1], p.height, false);
      const int64_t y1 = edge(height, size_.height, row + 1, box[1], p.height, true);
      const int64_t x0 = edge(width, size_.width, column, box[0], p.width, false);
      const int64_t x1 = edge(width, size_.width, column + 1, box[0], p.width, true);
      float largest = y0 < y1 && x0 < x1 ? p.plane[y0 * p.width + x0] : 0;
      for (int64_t y = y0; y < y1; ++y) {
        for (int64_t x = x0; x < x1; ++x) largest = std::max(largest, p.plane[y * p.width + x]);
      }
      *target++ = largest;
    }
    return target;
  }

  PooledSize size_;
  float scale_;
};

}  // namespace

MadeKernel MakeNonMaxSuppression(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 5}));
  TRY(const int64_t centred, node.attributes.Int("center_point_box", 0));
  return std::make_unique<NonMaxSuppression>(centred != 0);
}

MadeKernel MakeRoiAlign(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  PooledSize size;
  TRY(size.height, node.attributes.Int("output_height", 1));
  TRY(size.width, node.attributes.Int("output_width", 1));
  TRY(const int64_t sampling, node.attributes.Int("sampling_ratio", 0));
  TRY(const float scale, node.attributes.Float("spatial_scale", 1.0f));
  TRY(const std::string mode, node.attributes.String("mode", "avg"));
  const bool is_newer = node.opset >= 16;
  TRY(const std::string coordinates,
      node.attributes.String("coordinate_transformation_mode",
                             is_newer ? "half_pixel" : "output_half_pixel"));
  if (size.height < 1 || size.width < 1 || size.height > kMostPooled || size.width > kMostPooled ||
      sampling < 0 || sampling > kMostPooled) {
    return AttributeInvalid("RoiAlign: an attribute is out of range");
  }
  if (mode != std::string_view("avg") && mode != std::string_view("max")) {
    return AttributeInvalid("RoiAlign: attribute 'mode' must be avg or max");
  }
  return std::make_unique<RoiAlign>(size, mode == std::string_view("max"),
                                    coordinates == std::string_view("half_pixel"), sampling, scale);
}

MadeKernel MakeMaxRoiPool(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 2, .most_inputs = 2}));
  TRY(const std::vector<int64_t> shape, node.attributes.Ints("pooled_shape", {}));
  TRY(const float scale, node.attributes.Float("spatial_scale", 1.0f));
  const auto is_bad = [](int64_t extent) { return extent < 1 || extent > kMostPooled; };
  if (shape.size() != 2 || std::ranges::any_of(shape, is_bad)) {
    return AttributeInvalid("MaxRoiPool: attribute 'pooled_shape' isn't two sizes");
  }
  return std::make_unique<MaxRoiPool>(PooledSize{shape[0], shape[1]}, scale);
}

}  // namespace ephemeralml::engine::kernels
