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

// The transforms of one column or row, which is what they are made of: of a filter's three taps (G
// of the source), of the input's side + 2 pixels (the transpose of B) and of as many sums (of A).
template <int64_t kSide>
struct Transform;

template <>
struct Transform<2> {
  static HWY_INLINE void Taps(const Vec (&from)[3], Vec (&to)[4]) {
    const Vec half = Broadcast(0.5f);
    const Vec ends = hn::Mul(hn::Add(from[0], from[2]), half);
    const Vec middle = hn::Mul(from[1], half);
    to[0] = from[0];
    to[1] = hn::Add(ends, middle);
    to[2] = hn::Sub(ends, middle);
    to[3] = from[2];
  }

  static HWY_INLINE void Pixels(const Vec (&from)[4], Vec (&to)[4]) {
    to[0] = hn::Sub(from[0], from[2]);
    to[1] = hn::Add(from[1], from[2]);
    to[2] = hn::Sub(from[2], from[1]);
    to[3] = hn::Sub(from[1], from[3]);
  }

  static HWY_INLINE void Sums(const Vec (&from)[4], Vec (&to)[2]) {
    to[0] = hn::Add(hn::Add(from[0], from[1]), from[2]);
    to[1] = hn::Sub(hn::Sub(from[1], from[2]), from[3]);
  }
};

// With the points 0, a, -a, b, -b and infinity.
template <>
struct Transform<4> {
  static constexpr float kA = 0.625f;
  static constexpr float kB = 1.5f;
  static constexpr float kA2 = kA * kA;
  static constexpr float kB2 = kB * kB;

  static HWY_INLINE void Taps(const Vec (&from)[3], Vec (&to)[6]) {
    constexpr float kOfA = 1 / (2 * kA2 * (kA2 - kB2));
    constexpr float kOfB = 1 / (2 * kB2 * (kB2 - kA2));
    to[0] = hn::Mul(from[0], Broadcast(1 / (kA2 * kB2)));
    Pair(hn::MulAdd(from[2], Broadcast(kA2 * kOfA), hn::Mul(from[0], Broadcast(kOfA))), from[1],
         kA * kOfA, to + 1);
    Pair(hn::MulAdd(from[2], Broadcast(kB2 * kOfB), hn::Mul(from[0], Broadcast(kOfB))), from[1],
         kB * kOfB, to + 3);
    to[5] = from[2];
  }

  static HWY_INLINE void Pixels(const Vec (&from)[6], Vec (&to)[6]) {
    to[0] = Ends(from[0], from[2], from[4]);
    Pair(Less(from[4], kB2, from[2]), Less(from[3], kB2, from[1]), kA, to + 1);
    Pair(Less(from[4], kA2, from[2]), Less(from[3], kA2, from[1]), kB, to + 3);
    to[5] = Ends(from[1], from[3], from[5]);
  }

  static HWY_INLINE void Sums(const Vec (&from)[6], Vec (&to)[4]) {
    const Vec a_even = hn::Add(from[1], from[2]);
    const Vec a_odd = hn::Sub(from[1], from[2]);
    const Vec b_even = hn::Add(from[3], from[4]);
    const Vec b_odd = hn::Sub(from[3], from[4]);
    to[0] = hn::Add(from[0], hn::Add(a_even, b_even));
    to[1] = hn::MulAdd(b_odd, Broadcast(kB), hn::Mul(a_odd, Broadcast(kA)));
    to[2] = hn::MulAdd(b_even, Broadcast(kB2), hn::Mul(a_even, Broadcast(kA2)));
    to[3] = hn::MulAdd(b_odd, Broadcast(kB2 * kB), hn::MulAdd(a_odd, Broadcast(kA2 * kA), from[5]));
  }

 private:
  // What a point and its opposite give: even ± point · odd.
  static HWY_INLINE void Pair(Vec even, Vec odd, float point, Vec* to) {
    to[0] = hn::MulAdd(odd, Broadcast(point), even);
    to[1] = hn::NegMulAdd(odd, Broadcast(point), even);
  }

  static HWY_INLINE Vec Less(Vec x, float factor, Vec y) {
    return hn::NegMulAdd(y, Broadcast(factor), x);
  }

  static HWY_INLINE Vec Ends(Vec lowest, Vec middle, Vec highest) {
    return hn::MulAdd(lowest, Broadcast(kA2 * kB2), Less(highest, kA2 + kB2, middle));
  }
};

template <int64_t kSide>
void WeightsOf(const float* taps, int64_t channels, int64_t width, float* result,
               int64_t position) {
  constexpr int64_t kEdge = kSide + 2;
  const Lanes d;
  const int64_t tap = channels * width;
  for (int64_t at = 0; at < tap; at += kLanes) {
    Vec columns[3][kEdge];
    EPHEMERAL_UNROLL
    for (int64_t x = 0; x < 3; ++x) {
      const float* from = taps + x * tap + at;
      Transform<kSide>::Taps(
          {hn::LoadU(d, from), hn::LoadU(d, from + 3 * tap), hn::LoadU(d, from + 6 * tap)},
          columns[x]);
    }
    EPHEMERAL_UNROLL
    for (int64_t y = 0; y < kEdge; ++y) {
      Vec row[kEdge];
      Transform<kSide>::Taps({columns[0][y], columns[1][y], columns[2][y]}, row);
      EPHEMERAL_UNROLL
      for (int64_t x = 0; x < kEdge; ++x) {
        hn::StoreU(row[x], d, result + (kEdge * y + x) * position + at);
      }
    }
  }
}

// The pixels of a column of a tile, of which those outside the picture are zero.
template <int64_t kEdge>
HWY_INLINE void LoadColumn(const TileInput& input, int64_t y, int64_t x, int64_t lane,
                           Vec (&pixels)[kEdge]) {
  const Lanes d;
  const bool is_beside = x < 0 || x >= input.width;
  for (int64_t i = 0; i < kEdge; ++i) {
    const bool is_outside = is_beside || y + i < 0 || y + i >= input.height;
    pixels[i] = is_outside ? hn::Zero(d)
                           : hn::LoadU(d, input.plane + ((y + i) * input.width + x) * 16 + lane);
  }
}

template <int64_t kSide>
void InputOf(const TileInput& input, const Tiles& tiles, float* result, int64_t position) {
  constexpr int64_t kEdge = kSide + 2;
  const Lanes d;
  const int64_t line = input.width * 16;
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const int64_t top = kSide * tiles.Line(tile) - input.above;
    const int64_t left = kSide * tiles.Column(tile) - input.before;
    const bool is_inside =
        top >= 0 && left >= 0 && top + kEdge <= input.height && left + kEdge <= input.width;
    for (int64_t lane = 0; lane < 16; lane += kLanes) {
      Vec columns[kEdge][kEdge];
      EPHEMERAL_UNROLL
      for (int64_t x = 0; x < kEdge; ++x) {
        Vec pixels[kEdge];
        if (is_inside) {
          const float* from = input.plane + top * line + (left + x) * 16 + lane;
          EPHEMERAL_UNROLL
          for (int64_t y = 0; y < kEdge; ++y) pixels[y] = hn::LoadU(d, from + y * line);
        } else {
          LoadColumn(input, top, left + x, lane, pixels);
        }
        Transform<kSide>::Pixels(pixels, columns[x]);
      }
      EPHEMERAL_UNROLL
      for (int64_t y = 0; y < kEdge; ++y) {
        Vec across[kEdge];
        EPHEMERAL_UNROLL
        for (int64_t x = 0; x < kEdge; ++x) across[x] = columns[x][y];
        Vec row[kEdge];
        Transform<kSide>::Pixels(across, row);
        EPHEMERAL_UNROLL
        for (int64_t x = 0; x < kEdge; ++x) {
          hn::StoreU(row[x], d, result + (kEdge * y + x) * position + tile * 16 + lane);
        }
      }
    }
  }
}

// One vector of one tile's pixels.
template <int64_t kSide>
HWY_INLINE void PixelsOf(const float* from, int64_t position, Vec bias, const Bounds& bounds,
                         Vec (&pixels)[kSide][kSide]) {
  constexpr int64_t kEdge = kSide + 2;
  const Lanes d;
  Vec columns[kEdge][kSide];
  EPHEMERAL_UNROLL
  for (int64_t x = 0; x < kEdge; ++x) {
    Vec sums[kEdge];
    EPHEMERAL_UNROLL
    for (int64_t y = 0; y < kEdge; ++y) {
      sums[y] = hn::LoadU(d, from + (kEdge * y + x) * position);
    }
    Transform<kSide>::Sums(sums, columns[x]);
  }
  EPHEMERAL_UNROLL
  for (int64_t y = 0; y < kSide; ++y) {
    Vec across[kEdge];
    EPHEMERAL_UNROLL
    for (int64_t x = 0; x < kEdge; ++x) across[x] = columns[x][y];
    Transform<kSide>::Sums(across, pixels[y]);
    EPHEMERAL_UNROLL
    for (int64_t x = 0; x < kSide; ++x) {
      pixels[y][x] = hn::Add(pixels[y][x], bias);
      if (bounds.is_bounded) {
        pixels[y][x] = Bounded(pixels[y][x], Broadcast(bounds.low), Broadcast(bounds.high));
      }
    }
  }
}

template <int64_t kSide>
void SumsOf(const float* sums, int64_t panel_width, const Tiles& tiles, const float* bias,
            const Bounds& bounds, const TileResult& result) {
  const Lanes d;
  const int64_t position = tiles.count * panel_width;
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const int64_t line = kSide * tiles.Line(tile);
    const int64_t column = kSide * tiles.Column(tile);
    const int64_t lines = std::min(kSide, result.height - line);
    const int64_t in_line = std::min(kSide, result.width - column);
    for (int64_t at = 0; at < result.columns; at += kLanes) {
      Vec pixels[kSide][kSide];
      PixelsOf<kSide>(sums + tile * panel_width + at, position,
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

void Weights(int64_t side, const float* taps, int64_t channels, int64_t width, float* result,
             int64_t position) {
  (side == 2 ? WeightsOf<2> : WeightsOf<4>)(taps, channels, width, result, position);
}

void Input(const TileInput& input, const Tiles& tiles, float* result, int64_t position) {
  (tiles.side == 2 ? InputOf<2> : InputOf<4>)(input, tiles, result, position);
}

void Sums(const float* sums, int64_t panel_width, const Tiles& tiles, const float* bias,
          const Bounds& bounds, const TileResult& result) {
  (tiles.side == 2 ? SumsOf<2> : SumsOf<4>)(sums, panel_width, tiles, bias, bounds, result);
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Weights);
HWY_EXPORT(Input);
HWY_EXPORT(Sums);

void TransformWeights(int64_t side, const float* taps, int64_t channels, int64_t width,
                      float* result, int64_t position) {
  HWY_DYNAMIC_DISPATCH(Weights)(side, taps, channels, width, result, position);
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
