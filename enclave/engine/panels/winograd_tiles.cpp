#include "enclave/engine/panels/winograd_tiles.h"

#include <algorithm>

#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/winograd_tiles.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// One column or row of the filter's transform: G of the source.
HWY_INLINE void TransformTaps(Vec a, Vec b, Vec c, Vec* to) {
  const Vec half = Broadcast(0.5f);
  const Vec ends = hn::Mul(hn::Add(a, c), half);
  const Vec middle = hn::Mul(b, half);
  to[0] = a;
  to[1] = hn::Add(ends, middle);
  to[2] = hn::Sub(ends, middle);
  to[3] = c;
}

// One column or row of the input's: the transpose of B.
HWY_INLINE void TransformPixels(Vec a, Vec b, Vec c, Vec d, Vec* to) {
  to[0] = hn::Sub(a, c);
  to[1] = hn::Add(b, c);
  to[2] = hn::Sub(c, b);
  to[3] = hn::Sub(b, d);
}

void Weights(const float* taps, int64_t channels, int64_t width, float* result, int64_t position) {
  const Lanes d;
  const int64_t tap = channels * width;
  for (int64_t at = 0; at < tap; at += kLanes) {
    Vec columns[3][4];
    EPHEMERAL_UNROLL
    for (int64_t x = 0; x < 3; ++x) {
      const float* from = taps + x * tap + at;
      TransformTaps(hn::LoadU(d, from), hn::LoadU(d, from + 3 * tap), hn::LoadU(d, from + 6 * tap),
                    columns[x]);
    }
    EPHEMERAL_UNROLL
    for (int64_t y = 0; y < 4; ++y) {
      Vec row[4];
      TransformTaps(columns[0][y], columns[1][y], columns[2][y], row);
      EPHEMERAL_UNROLL
      for (int64_t x = 0; x < 4; ++x) hn::StoreU(row[x], d, result + (4 * y + x) * position + at);
    }
  }
}

// The four pixels of a column of a tile, of which those outside the picture are zero.
HWY_INLINE void LoadColumn(const TileInput& input, int64_t y, int64_t x, int64_t lane,
                           Vec (&pixels)[4]) {
  const Lanes d;
  const bool is_beside = x < 0 || x >= input.width;
  for (int64_t i = 0; i < 4; ++i) {
    const bool is_outside = is_beside || y + i < 0 || y + i >= input.height;
    pixels[i] = is_outside ? hn::Zero(d)
                           : hn::LoadU(d, input.plane + ((y + i) * input.width + x) * 16 + lane);
  }
}

void Input(const TileInput& input, const Tiles& tiles, float* result, int64_t position) {
  const Lanes d;
  const int64_t line = input.width * 16;
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const int64_t top = kTileSide * tiles.Line(tile) - input.above;
    const int64_t left = kTileSide * tiles.Column(tile) - input.before;
    const bool is_inside =
        top >= 0 && left >= 0 && top + 4 <= input.height && left + 4 <= input.width;
    for (int64_t lane = 0; lane < 16; lane += kLanes) {
      Vec columns[4][4];
      EPHEMERAL_UNROLL
      for (int64_t x = 0; x < 4; ++x) {
        Vec pixels[4];
        if (is_inside) {
          const float* from = input.plane + top * line + (left + x) * 16 + lane;
          EPHEMERAL_UNROLL
          for (int64_t y = 0; y < 4; ++y) pixels[y] = hn::LoadU(d, from + y * line);
        } else {
          LoadColumn(input, top, left + x, lane, pixels);
        }
        TransformPixels(pixels[0], pixels[1], pixels[2], pixels[3], columns[x]);
      }
      EPHEMERAL_UNROLL
      for (int64_t y = 0; y < 4; ++y) {
        Vec row[4];
        TransformPixels(columns[0][y], columns[1][y], columns[2][y], columns[3][y], row);
        EPHEMERAL_UNROLL
        for (int64_t x = 0; x < 4; ++x) {
          hn::StoreU(row[x], d, result + (4 * y + x) * position + tile * 16 + lane);
        }
      }
    }
  }
}

// Two pixels of a line from the four sums above one another, or of a column: the transpose of A.
HWY_INLINE void TransformFour(Vec a, Vec b, Vec c, Vec d, Vec* to) {
  to[0] = hn::Add(hn::Add(a, b), c);
  to[1] = hn::Sub(hn::Sub(b, c), d);
}

// One vector of one tile's pixels.
HWY_INLINE void Pixels(const float* from, int64_t position, Vec bias, const Bounds& bounds,
                       Vec (&pixels)[2][2]) {
  const Lanes d;
  Vec columns[4][2];
  EPHEMERAL_UNROLL
  for (int64_t x = 0; x < 4; ++x) {
    const float* column = from + x * position;
    TransformFour(hn::LoadU(d, column), hn::LoadU(d, column + 4 * position),
                  hn::LoadU(d, column + 8 * position), hn::LoadU(d, column + 12 * position),
                  columns[x]);
  }
  EPHEMERAL_UNROLL
  for (int64_t y = 0; y < 2; ++y) {
    TransformFour(columns[0][y], columns[1][y], columns[2][y], columns[3][y], pixels[y]);
    EPHEMERAL_UNROLL
    for (int64_t x = 0; x < 2; ++x) {
      pixels[y][x] = hn::Add(pixels[y][x], bias);
      if (bounds.is_bounded) {
        pixels[y][x] = Bounded(pixels[y][x], Broadcast(bounds.low), Broadcast(bounds.high));
      }
    }
  }
}

void Sums(const float* sums, int64_t panel_width, const Tiles& tiles, const float* bias,
          const Bounds& bounds, const TileResult& result) {
  const Lanes d;
  const int64_t position = tiles.count * panel_width;
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const int64_t line = kTileSide * tiles.Line(tile);
    const int64_t column = kTileSide * tiles.Column(tile);
    const int64_t lines = std::min(kTileSide, result.height - line);
    const int64_t in_line = std::min(kTileSide, result.width - column);
    for (int64_t at = 0; at < result.columns; at += kLanes) {
      Vec pixels[2][2];
      Pixels(sums + tile * panel_width + at, position,
             bias == nullptr ? hn::Zero(d) : hn::LoadU(d, bias + at), bounds, pixels);
      float* to =
          result.values + at / 16 * result.group + at % 16 + (line * result.width + column) * 16;
      const int64_t left = result.columns - at;
      for (int64_t y = 0; y < lines; ++y) {
        for (int64_t x = 0; x < in_line; ++x) {
          float* const pixel = to + (y * result.width + x) * 16;
          if (left >= kLanes) {
            hn::StoreU(pixels[y][x], d, pixel);
          } else {
            StoreFirst(pixels[y][x], pixel, left);
          }
        }
      }
    }
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Weights);
HWY_EXPORT(Input);
HWY_EXPORT(Sums);

void TransformWeights(const float* taps, int64_t channels, int64_t width, float* result,
                      int64_t position) {
  HWY_DYNAMIC_DISPATCH(Weights)(taps, channels, width, result, position);
}

void TransformInput(const TileInput& input, const Tiles& tiles, float* result, int64_t position) {
  HWY_DYNAMIC_DISPATCH(Input)(input, tiles, result, position);
}

void TransformSums(const float* sums, int64_t panel_width, const Tiles& tiles, const float* bias,
                   const Bounds& bounds, const TileResult& result) {
  HWY_DYNAMIC_DISPATCH(Sums)(sums, panel_width, tiles, bias, bounds, result);
}

}  // namespace ephemeralml::engine::panels
#endif
