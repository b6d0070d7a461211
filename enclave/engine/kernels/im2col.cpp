#include "enclave/engine/kernels/im2col.h"

#include <algorithm>

namespace ephemeralml::engine::kernels {
namespace {

// One tap's row of the matrix, output row by output row.
class RowWriter {
 public:
  RowWriter(const Window& window, const Spatial& tap, const float* plane)
      : w_(window), tap_(tap), plane_(plane), inside_(window.Inside(2, tap[2])) {}

  void Write(int64_t first_pixel, int64_t last_pixel, float* target) const {
    for (int64_t pixel = first_pixel; pixel < last_pixel;) {
      const int64_t line = pixel / w_.output[2];
      const int64_t x = pixel % w_.output[2];
      const int64_t count = std::min(w_.output[2] - x, last_pixel - pixel);
      WriteLine(line, x, x + count, target);
      target += count;
      pixel += count;
    }
  }

 private:
  // Outputs [x, end) of one output line.
  void WriteLine(int64_t line, int64_t x, int64_t end, float* target) const {
    const int64_t in_z = line / w_.output[1] * w_.stride[0] + w_.TapAt(0, tap_[0]);
    const int64_t in_y = line % w_.output[1] * w_.stride[1] + w_.TapAt(1, tap_[1]);
    const bool outside = in_z < 0 || in_z >= w_.input[0] || in_y < 0 || in_y >= w_.input[1];
    const int64_t from = outside ? end : std::clamp(inside_.begin, x, end);
    const int64_t to = outside ? end : std::clamp(inside_.end, from, end);
    std::fill(target, target + (from - x), 0.0f);
    if (from < to) {
      const float* source = plane_ + (in_z * w_.input[1] + in_y) * w_.input[2] +
                            from * w_.stride[2] + w_.TapAt(2, tap_[2]);
      CopyStrided(source, to - from, target + (from - x));
    }
    std::fill(target + (to - x), target + (end - x), 0.0f);
  }

  void CopyStrided(const float* source, int64_t count, float* target) const {
    const int64_t stride = w_.stride[2];
    if (stride == 1) {
      std::copy_n(source, count, target);
    } else if (stride == 2) {
      for (int64_t i = 0; i < count; ++i) target[i] = source[2 * i];
    } else {
      for (int64_t i = 0; i < count; ++i) target[i] = source[stride * i];
    }
  }

  const Window& w_;
  Spatial tap_;
  const float* plane_;
  Window::Range inside_;
};

}  // namespace

void WriteColumns(const Window& w, const float* planes, const ColumnsPart& part, float* target) {
  const int64_t taps = Volume(w.kernel);
  const int64_t length = part.last_pixel - part.first_pixel;
  for (int64_t row = part.first_row; row < part.last_row; ++row) {
    const int64_t tap = row % taps;
    const Spatial at = {tap / (w.kernel[1] * w.kernel[2]), tap / w.kernel[2] % w.kernel[1],
                        tap % w.kernel[2]};
    const RowWriter writer(w, at, planes + row / taps * Volume(w.input));
    writer.Write(part.first_pixel, part.last_pixel, target + row * length);
  }
}

}  // namespace ephemeralml::engine::kernels
