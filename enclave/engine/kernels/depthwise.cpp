#include "enclave/engine/kernels/depthwise.h"

#include <algorithm>
#include <span>
#include <vector>

#include "enclave/engine/kernels/multiversion.h"

namespace ephemeralml::engine::kernels {
namespace {

// y[i] += tap * x[i * stride]. Strides that are known when this is compiled become vector code.
template <int64_t kStride>
[[gnu::always_inline]] inline void AddTap(const float* x, float tap, int64_t stride, int64_t count,
                                          float* y) {
  const int64_t step = kStride == 0 ? stride : kStride;
  for (int64_t i = 0; i < count; ++i) y[i] += tap * x[i * step];
}

// Where one tap of the innermost axis meets a line of the input.
struct LineTap {
  int64_t first_output = 0;
  int64_t count = 0;
  int64_t first_input = 0;
};

std::vector<LineTap> LineTaps(const Window& w) {
  std::vector<LineTap> taps;
  for (int64_t x = 0; x < w.kernel[2]; ++x) {
    const Window::Range inside = w.Inside(2, x);
    taps.push_back(
        {inside.begin, inside.end - inside.begin, inside.begin * w.stride[2] + w.TapAt(2, x)});
  }
  return taps;
}

// One line of one output plane.
template <int64_t kStride>
[[gnu::always_inline]] inline void AddLine(const Window& w, std::span<const LineTap> line_taps,
                                           const float* plane, const float* kernel, int64_t out_z,
                                           int64_t out_y, float* y) {
  for (int64_t z = 0; z < w.kernel[0]; ++z) {
    const int64_t in_z = out_z * w.stride[0] + w.TapAt(0, z);
    if (in_z < 0 || in_z >= w.input[0]) continue;
    for (int64_t row = 0; row < w.kernel[1]; ++row) {
      const int64_t in_y = out_y * w.stride[1] + w.TapAt(1, row);
      if (in_y < 0 || in_y >= w.input[1]) continue;
      const float* line = plane + (in_z * w.input[1] + in_y) * w.input[2];
      const float* taps = kernel + (z * w.kernel[1] + row) * w.kernel[2];
      for (size_t x = 0; x < line_taps.size(); ++x) {
        const LineTap& tap = line_taps[x];
        AddTap<kStride>(line + tap.first_input, taps[x], w.stride[2], tap.count,
                        y + tap.first_output);
      }
    }
  }
}

EPHEMERAL_MULTIVERSION void AddPlane(const Window& w, std::span<const LineTap> line_taps,
                                     const float* plane, const float* kernel, float* y) {
  for (int64_t z = 0; z < w.output[0]; ++z) {
    for (int64_t row = 0; row < w.output[1]; ++row) {
      if (w.stride[2] == 1) {
        AddLine<1>(w, line_taps, plane, kernel, z, row, y);
      } else if (w.stride[2] == 2) {
        AddLine<2>(w, line_taps, plane, kernel, z, row, y);
      } else {
        AddLine<0>(w, line_taps, plane, kernel, z, row, y);
      }
      y += w.output[2];
    }
  }
}

}  // namespace

void ConvDepthwise(Threads& threads, const ConvShape& shape, const ConvOperands& operands,
                   const float* kernel, int64_t begin, int64_t end) {
  const int64_t rows = end - begin;
  const int64_t plane = shape.output_plane();
  const int64_t work = plane * shape.taps();
  const std::vector<LineTap> line_taps = LineTaps(shape.window);
  threads.ParallelFor(
      static_cast<size_t>(shape.batch * rows), static_cast<size_t>(32 * 1024 / work + 1),
      [&](size_t first, size_t last) {
        for (auto i = static_cast<int64_t>(first); i < static_cast<int64_t>(last); ++i) {
          const int64_t channel = begin + i % rows;
          const int64_t source = i / rows * shape.in_channels + channel / shape.group_outputs();
          float* y = operands.y + (i / rows * shape.out_channels + channel) * plane;
          if (operands.bias != nullptr) std::fill_n(y, plane, operands.bias[channel]);
          AddPlane(shape.window, line_taps, operands.x + source * shape.input_plane(),
                   kernel + (channel - begin) * shape.taps(), y);
        }
      });
}

}  // namespace ephemeralml::engine::kernels
