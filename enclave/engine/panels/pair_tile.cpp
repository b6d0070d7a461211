#include "enclave/engine/panels/pair_tile.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "common/wire/packed_layout.h"
#include "enclave/engine/panels/pair_instruction.h"
#include "enclave/engine/panels/prefetch.h"
#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/pair_tile.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

using Words = hn::Rebind<uint32_t, Lanes>;
using WordVec = hn::Vec<Words>;

inline constexpr uint32_t kUpperHalf = 0xFFFF0000;
// Weights come from the second cache while the first holds the rows: so many steps ahead.
inline constexpr int64_t kPrefetchSteps = 8;

// bfloat16 is the upper half of a float.
HWY_INLINE Vec Earlier(WordVec words) { return hn::BitCast(Lanes(), hn::ShiftLeft<16>(words)); }
HWY_INLINE Vec Later(WordVec words) {
  return hn::BitCast(Lanes(), hn::And(words, hn::Set(Words(), kUpperHalf)));
}

template <int kRows, int kVectors>
HWY_INLINE void AddStep(const float* left, int64_t stride, const Vec (&weights)[kVectors],
                        Vec (&sums)[kRows][kVectors]) {
  EPHEMERAL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Vec x = hn::Set(Lanes(), left[r * stride]);
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x, weights[v], sums[r][v]);
  }
}

// One tile of a piece, from its column `first` on.
struct PairTile {
  const Piece& piece;
  const Strides& strides;
  const Rows& rows;
  int64_t first;

  // Positive, or 0 past the end.
  int64_t ColumnsFrom(int vector) const {
    return std::max<int64_t>(piece.columns - first - vector * kLanes, 0);
  }
  float* Result(int row, int vector) const {
    const int64_t column = first + vector * kLanes;
    return rows.result + row * strides.result + column / 16 * strides.result_lanes + column % 16;
  }
};

template <int kRows, int kVectors>
HWY_INLINE void Begin(const PairTile& tile, Vec (&sums)[kRows][kVectors]) {
  const Lanes d;
  EPHEMERAL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t columns = tile.ColumnsFrom(v);
      if (!tile.piece.is_first) {
        sums[r][v] = columns >= kLanes ? hn::LoadU(d, tile.Result(r, v))
                                       : LoadFirst(tile.Result(r, v), columns);
      } else {
        sums[r][v] = tile.piece.bias == nullptr
                         ? hn::Zero(d)
                         : hn::LoadU(d, tile.piece.bias + tile.first + v * kLanes);
      }
    }
  }
}

template <int kRows, int kVectors>
HWY_NOINLINE void MultiplyTile(const PairTile& tile, Upcoming& upcoming) {
  Vec sums[kRows][kVectors];
  Begin(tile, sums);
  const int64_t stride = tile.piece.weights_stride;
  const auto* weights = reinterpret_cast<const uint32_t*>(tile.piece.weights) + tile.first;
  for (const Segment& segment : tile.piece.segments) {
    const float* left = tile.rows.left + 2 * segment.offset;
    for (int64_t step = 0; step < segment.steps; ++step) {
      Vec factors[kVectors];
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        factors[v] = Later(hn::LoadU(Words(), weights + v * kLanes));
        __builtin_prefetch(weights + kPrefetchSteps * stride + v * kLanes, 0, 3);
      }
      AddStep(left + 2 * step + 1, tile.strides.left, factors, sums);
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        factors[v] = Earlier(hn::LoadU(Words(), weights + v * kLanes));
      }
      AddStep(left + 2 * step, tile.strides.left, factors, sums);
      weights += stride;
      if (step % 4 == 0) PrefetchUpcoming(upcoming);
    }
  }
  EPHEMERAL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t columns = tile.ColumnsFrom(v);
      if (columns >= kLanes) {
        hn::StoreU(sums[r][v], Lanes(), tile.Result(r, v));
      } else {
        StoreFirst(sums[r][v], tile.Result(r, v), columns);
      }
    }
  }
}

using TileFunction = void (*)(const PairTile&, Upcoming&);

// By height.
template <int kVectors>
std::span<const TileFunction> Tiles() {
  static constexpr TileFunction kTiles[kTallestPairTile] = {
      MultiplyTile<1, kVectors>, MultiplyTile<2, kVectors>, MultiplyTile<3, kVectors>,
      MultiplyTile<4, kVectors>, MultiplyTile<5, kVectors>, MultiplyTile<6, kVectors>};
  return kTiles;
}

std::span<const TileFunction> TilesFor(int64_t columns) {
  if constexpr (kLanes == 16) {
    if (columns == 64) return Tiles<4>();
    if (columns == 48) return Tiles<3>();
    if (columns == 32) return Tiles<2>();
    return Tiles<1>();
  } else {
    return Tiles<16 / kLanes>();
  }
}

void MultiplyPairRows(const Piece& piece, const Strides& strides, const Rows& rows,
                      const Epilogue& epilogue, Upcoming& upcoming) {
  const int64_t width = kLanes == 16 ? piece.width : 16;
  const std::span<const TileFunction> tiles = TilesFor(width);
  const bool is_finished =
      !piece.is_last || (rows.residual == nullptr && epilogue.activation == Activation::kNone);
  for (int64_t row = 0; row < rows.count;) {
    const Rows part = PairTileAt(strides, rows, row);
    for (int64_t first = 0; first < piece.width; first += width) {
      tiles[static_cast<size_t>(part.count - 1)]({piece, strides, part, first}, upcoming);
    }
    if (!is_finished) FinishRows(strides, part, piece.columns, epilogue);
    row += part.count;
  }
}

// The nearest bfloat16 as a float.
HWY_INLINE WordVec RoundToHalf(WordVec bits) {
  const Words d;
  const WordVec exponent = hn::And(bits, hn::Set(d, 0x7F800000));
  const WordVec fraction = hn::And(bits, hn::Set(d, 0x007FFFFF));
  const WordVec tie = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
  const WordVec rounded = hn::Add(hn::Add(bits, hn::Set(d, 0x7FFF)), tie);
  const auto is_special = hn::Eq(exponent, hn::Set(d, 0x7F800000));
  const auto is_nan = hn::And(is_special, hn::Ne(fraction, hn::Zero(d)));
  const WordVec kept = hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(d, 0x00400000)), rounded);
  const WordVec half = hn::And(kept, hn::Set(d, kUpperHalf));
  return hn::IfThenElse(hn::Eq(exponent, hn::Zero(d)), hn::And(bits, hn::Set(d, 0x80000000)), half);
}

HWY_INLINE uint32_t RoundOne(uint32_t bits) {
  return hn::GetLane(RoundToHalf(hn::Set(Words(), bits)));
}

void RoundRow(const float* from, int64_t steps, float* to) {
  const Words d;
  const auto* bits = reinterpret_cast<const uint32_t*>(from);
  auto* rounded = reinterpret_cast<uint32_t*>(to);
  int64_t i = 0;
  for (; i + kLanes <= steps; i += kLanes) {
    hn::StoreU(RoundToHalf(hn::LoadU(d, bits + i)), d, rounded + i);
  }
  for (; i < steps; ++i) rounded[i] = RoundOne(bits[i]);
  if (steps % 2 != 0) rounded[steps] = 0;
}

void RoundRowToWords(const float* from, int64_t steps, float* to) {
  const auto* bits = reinterpret_cast<const uint32_t*>(from);
  auto* words = reinterpret_cast<uint32_t*>(to);
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const Words d;
  for (; i + 2 * kLanes <= steps; i += 2 * kLanes) {
    const WordVec first = RoundToHalf(hn::LoadU(d, bits + i));
    const WordVec second = RoundToHalf(hn::LoadU(d, bits + i + kLanes));
    const WordVec earlier = hn::ShiftRight<16>(hn::ConcatEven(d, second, first));
    hn::StoreU(hn::Or(earlier, hn::ConcatOdd(d, second, first)), d, words + i / 2);
  }
#endif
  for (; i < steps; i += 2) {
    words[i / 2] = RoundOne(bits[i]) >> 16 | (i + 1 < steps ? RoundOne(bits[i + 1]) : 0);
  }
}

void PairRowsToWords(const float* first, const float* second, int64_t count, float* to) {
  const Words d;
  const auto* earlier = reinterpret_cast<const uint32_t*>(first);
  const auto* later = reinterpret_cast<const uint32_t*>(second);
  auto* words = reinterpret_cast<uint32_t*>(to);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const WordVec upper = later == nullptr ? hn::Zero(d) : RoundToHalf(hn::LoadU(d, later + i));
    const WordVec lower = hn::ShiftRight<16>(RoundToHalf(hn::LoadU(d, earlier + i)));
    hn::StoreU(hn::Or(upper, lower), d, words + i);
  }
  for (; i < count; ++i) {
    words[i] = RoundOne(earlier[i]) >> 16 | (later == nullptr ? 0 : RoundOne(later[i]));
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(MultiplyPairRows);
HWY_EXPORT(RoundRow);
HWY_EXPORT(RoundRowToWords);
HWY_EXPORT(PairRowsToWords);

namespace {

using MultiplyFunction = void (*)(const Piece&, const Strides&, const Rows&, const Epilogue&,
                                  Upcoming&);

// The least of a few runs over a tile that the first cache holds.
std::chrono::nanoseconds TimeOf(MultiplyFunction multiply) {
  constexpr int64_t kSteps = 64;
  constexpr auto kWidth = static_cast<int64_t>(wire::kPanelColumns);
  const std::vector<float> left(2 * kTallestPairTile * kSteps);
  const std::vector<float> weights(kWidth * (kSteps + 8));
  std::vector<float> result(kTallestPairTile * kWidth);
  const Segment segment{0, kSteps};
  const Piece piece = {weights.data(), kWidth, nullptr, {&segment, 1}, kWidth, kWidth, true, true};
  const Strides strides = {2 * kSteps, kWidth, 16};
  auto least = std::chrono::nanoseconds::max();
  for (int i = 0; i < 20; ++i) {
    Upcoming upcoming;
    const auto start = std::chrono::steady_clock::now();
    multiply(piece, strides, {left.data(), result.data(), nullptr, kTallestPairTile}, {}, upcoming);
    least = std::min<std::chrono::nanoseconds>(least, std::chrono::steady_clock::now() - start);
  }
  return least;
}

// Seen: the instruction does two steps in the time of one on one make of processor, and in that of
// four on another. Decided once, by trying.
bool UsesInstruction() {
  static const bool is_faster =
      HasPairInstruction() && TimeOf(MultiplyByInstruction) < TimeOf(MultiplyAsFloats);
  return is_faster;
}

}  // namespace

void MultiplyAsFloats(const Piece& piece, const Strides& strides, const Rows& rows,
                      const Epilogue& epilogue, Upcoming& upcoming) {
  HWY_DYNAMIC_DISPATCH(MultiplyPairRows)(piece, strides, rows, epilogue, upcoming);
}

void MakeRounded(const float* from, int64_t steps, float* to) {
  HWY_DYNAMIC_DISPATCH(RoundRow)(from, steps, to);
}

void MakeWordsByBits(const float* from, int64_t steps, float* to) {
  HWY_DYNAMIC_DISPATCH(RoundRowToWords)(from, steps, to);
}

void MakeWords(const float* from, int64_t steps, float* to) {
  (HasPairInstruction() ? MakeWordsByInstruction : MakeWordsByBits)(from, steps, to);
}

void PairRows(const float* first, const float* second, int64_t count, float* to) {
  HWY_DYNAMIC_DISPATCH(PairRowsToWords)(first, second, count, to);
}

int64_t PairedLeftSize(int64_t steps) { return (steps + 1) / 2 * (UsesInstruction() ? 1 : 2); }

void MakePairedLeft(const float* from, int64_t steps, float* to) {
  (UsesInstruction() ? MakeWords : MakeRounded)(from, steps, to);
}

void MultiplyPairs(const Piece& piece, const Strides& strides, const Rows& rows,
                   const Epilogue& epilogue, Upcoming& upcoming) {
  (UsesInstruction() ? MultiplyByInstruction : MultiplyAsFloats)(piece, strides, rows, epilogue,
                                                                 upcoming);
}

}  // namespace ephemeralml::engine::panels
#endif
