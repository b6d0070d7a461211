#include "enclave/engine/kernels/channel_filters.h"

#include <algorithm>

#include "enclave/engine/kernels/matrix_inputs.h"

namespace ephemeralml::engine::kernels {
namespace {

// Of an axis along which inputs lie `distance` floats apart.
FilterRuns RunsOf(const Window& window, size_t axis, int64_t distance) {
  FilterRuns runs;
  for (int64_t at = 0; at < window.output[axis]; ++at) {
    const Window::Range taps = window.TapsInside(axis, at);
    const int64_t count = std::max<int64_t>(taps.end - taps.begin, 0);
    const bool continues =
        !runs.empty() && runs.back().first_tap == taps.begin && runs.back().taps == count;
    if (!continues) {
      const int64_t met = at * window.stride[axis] + window.TapAt(axis, taps.begin);
      runs.push_back({at, 0, taps.begin, count, count == 0 ? 0 : met * distance});
    }
    ++runs.back().count;
  }
  return runs;
}

}  // namespace

Filtering::Filtering(const Window& slid_window, int64_t line_distance)
    : window(slid_window),
      input_line(line_distance),
      lines(RunsOf(slid_window, 1, line_distance)),
      columns(RunsOf(slid_window, 2, kBlockLanes)) {}

panels::FilteredPlane PlaneOf(const Filtering& f, const wire::PackedShape& shape, int64_t panel) {
  const Window& window = f.window;
  panels::FilteredPlane plane;
  plane.left_step = window.stride[2] * kBlockLanes;
  plane.left_line = window.stride[1] * f.input_line;
  plane.left_row = window.dilation[1] * f.input_line;
  plane.left_column = window.dilation[2] * kBlockLanes;
  plane.weights_column = static_cast<int64_t>(shape.WidthOf(static_cast<uint64_t>(panel)));
  plane.weights_row = window.kernel[2] * plane.weights_column;
  plane.result_step = kBlockLanes;
  plane.result_line = f.output_line();
  plane.lines = f.lines;
  plane.columns = f.columns;
  plane.scale = f.scale;
  plane.shift = f.shift;
  if (f.residual == nullptr) plane.bounds = panels::Bounds::Of(f.epilogue);
  return plane;
}

void LinesWithin(const Filtering& f, int64_t begin, int64_t end, int64_t first_input_line,
                 FilterRuns& within) {
  within.clear();
  for (panels::FilterRun run : f.lines) {
    const int64_t first = std::max(run.first, begin);
    const int64_t count = std::min(run.first + run.count, end) - first;
    if (count <= 0) continue;
    if (run.taps > 0) {
      const int64_t skipped = (first - run.first) * f.window.stride[1];
      run.left += (skipped - first_input_line) * f.input_line;
    }
    run.first = first;
    run.count = count;
    within.push_back(run);
  }
}

void FilterLines(const Filtering& f, int64_t index, panels::FilteredPlane& plane) {
  plane.result = f.y + index * f.output_plane();
  panels::FilterPlane(plane);
  if (plane.bounds.is_bounded) return;
  const int64_t first = plane.lines.front().first;
  const int64_t end = plane.lines.back().first + plane.lines.back().count;
  const int64_t at = first * f.output_line();
  const float* residual = f.residual == nullptr ? nullptr : f.residual + index * f.output_plane();
  panels::FinishRows({0, kBlockLanes, kBlockLanes},
                     {nullptr, plane.result + at, residual == nullptr ? nullptr : residual + at,
                      (end - first) * f.window.output[2]},
                     kBlockLanes, f.epilogue);
}

Done ReadScaleAndShift(KernelContext& context, size_t index, Filtering& f) {
  if (!context.HasInput(index)) return {};
  TRY_OK(RequireFloat(context, index));
  if (context.InputShape(index) != Shape{2}) {
    return ShapeInvalid("scale and shift of a depthwise convolution aren't two numbers");
  }
  TRY(const TensorView view, context.Input(index));
  const auto values = view.Values<float>();
  f.scale = values[0];
  f.shift = values[1];
  return {};
}

Result<panels::Epilogue> ReadFilterEpilogue(const Attributes& attributes) {
  TRY(panels::Epilogue epilogue, ReadEpilogue(attributes));
  if (epilogue.activation == panels::Activation::kHardSwish) {
    epilogue.activation = panels::Activation::kSpelledHardSwish;
  }
  return epilogue;
}

}  // namespace ephemeralml::engine::kernels
