#pragma once
// The three transforms of a Winograd convolution F(2x2, 3x3) or F(4x4, 3x3), on 16 channels or
// columns at a time. A tile is `side` x `side` pixels of the result, side 2 or 4, made from two
// more of the input each way; its transform has as many positions. Made once for each kind of
// vector unit. Nothing here opens, wipes, allocates or fails.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4;
// with tiles of four its points are 0, ±5/8, ±3/2 and infinity (docs/decisions/0009).

#include <cstdint>

#include "enclave/engine/panels/panel_tile.h"

namespace ephemeralml::engine::panels {

inline constexpr int64_t kTileTaps = 9;
constexpr int64_t PositionsOf(int64_t side) { return (side + 2) * (side + 2); }

/// Some of a picture's tiles, which are counted line by line.
struct Tiles {
  int64_t side = 2;
  int64_t first = 0;
  int64_t count = 0;
  int64_t in_line = 1;

  int64_t Line(int64_t tile) const { return (first + tile) / in_line; }
  int64_t Column(int64_t tile) const { return (first + tile) % in_line; }
};

/// taps [kTileTaps, channels, width] -> result [positions, `position`], of which it writes the
/// first [channels, width]. The width is a multiple of 16.
void TransformWeights(int64_t side, const float* taps, int64_t channels, int64_t width,
                      float* result, int64_t position);

/// Sixteen channels of a picture, and where it lies in what the tiles cover: around it all is zero.
struct TileInput {
  const float* plane = nullptr;  ///< [height, width, 16]
  int64_t height = 0;
  int64_t width = 0;
  int64_t above = 0;   ///< lines of the first tiles before the picture's first one
  int64_t before = 0;  ///< pixels of these before its first one
};

/// The picture -> result [positions, `position`], of which it writes the first [tiles, 16].
void TransformInput(const TileInput& input, const Tiles& tiles, float* result, int64_t position);

/// Where the pixels of a picture's result lie.
struct TileResult {
  float* values = nullptr;  ///< [groups of 16 columns, `group`], of each [height, width, 16]
  int64_t group = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t columns = 0;  ///< of one panel
};

/// sums [positions, tiles, `panel_width`] -> the tiles' pixels: their own, the panel's biases
/// (or null) added, within the bounds.
void TransformSums(const float* sums, int64_t panel_width, const Tiles& tiles, const float* bias,
                   const Bounds& bounds, const TileResult& result);

}  // namespace ephemeralml::engine::panels
