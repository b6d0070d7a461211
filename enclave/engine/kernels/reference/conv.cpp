#include "enclave/engine/kernels/reference/conv.h"

#include <functional>

namespace ephemeralml::engine::kernels::reference {
namespace {

int64_t Flat(const Spatial& at, const Spatial& extents) {
  return (at[0] * extents[1] + at[1]) * extents[2] + at[2];
}

void ForEach(const Spatial& extents, const std::function<void(const Spatial&)>& body) {
  for (int64_t z = 0; z < extents[0]; ++z) {
    for (int64_t y = 0; y < extents[1]; ++y) {
      for (int64_t x = 0; x < extents[2]; ++x) body({z, y, x});
    }
  }
}

// Calls `body(input element, kernel element, output element)` for each product that Conv sums.
void ForEachProduct(const ConvShape& s,
                    const std::function<void(int64_t, int64_t, int64_t)>& body) {
  const Window& w = s.window;
  for (int64_t image = 0; image < s.batch; ++image) {
    for (int64_t out = 0; out < s.out_channels; ++out) {
      for (int64_t in = 0; in < s.group_inputs(); ++in) {
        const int64_t channel = out / s.group_outputs() * s.group_inputs() + in;
        ForEach(w.output, [&](const Spatial& at) {
          ForEach(w.kernel, [&](const Spatial& tap) {
            Spatial source;
            for (size_t i = 0; i < kSpatialAxes; ++i) {
              source[i] = at[i] * w.stride[i] + tap[i] * w.dilation[i] - w.pad_begin[i];
              if (source[i] < 0 || source[i] >= w.input[i]) return;
            }
            body((image * s.in_channels + channel) * s.input_plane() + Flat(source, w.input),
                 (out * s.group_inputs() + in) * Volume(w.kernel) + Flat(tap, w.kernel),
                 (image * s.out_channels + out) * s.output_plane() + Flat(at, w.output));
          });
        });
      }
    }
  }
}

// Doubles that hold each channel's bias.
std::vector<double> Biased(int64_t batch, int64_t channels, int64_t plane,
                           const std::vector<float>& bias) {
  std::vector<double> sums(static_cast<size_t>(batch * channels * plane));
  for (size_t i = 0; i < sums.size() && !bias.empty(); ++i) {
    sums[i] = bias[i / static_cast<size_t>(plane) % bias.size()];
  }
  return sums;
}

}  // namespace

std::vector<float> ConvPlain(const ConvShape& s, const std::vector<float>& x,
                             const std::vector<float>& kernel, const std::vector<float>& bias) {
  std::vector<double> sums = Biased(s.batch, s.out_channels, s.output_plane(), bias);
  ForEachProduct(s, [&](int64_t in, int64_t tap, int64_t out) {
    sums[static_cast<size_t>(out)] +=
        double{x[static_cast<size_t>(in)]} * kernel[static_cast<size_t>(tap)];
  });
  return {sums.begin(), sums.end()};
}

std::vector<float> ConvTransposePlain(const ConvShape& s, const std::vector<float>& y,
                                      const std::vector<float>& kernel,
                                      const std::vector<float>& bias) {
  std::vector<double> sums = Biased(s.batch, s.in_channels, s.input_plane(), bias);
  ForEachProduct(s, [&](int64_t in, int64_t tap, int64_t out) {
    sums[static_cast<size_t>(in)] +=
        double{y[static_cast<size_t>(out)]} * kernel[static_cast<size_t>(tap)];
  });
  return {sums.begin(), sums.end()};
}

}  // namespace ephemeralml::engine::kernels::reference
