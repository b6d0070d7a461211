#include "enclave/engine/panels/panel_tile.h"

#include <algorithm>

#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/panel_tile.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// Columns that a tile makes: as many as leave registers for six rows and more of sums.
inline constexpr int64_t kTileColumns = kLanes == 16 ? 64 : 16;
// Weights come from the second cache while the first holds the rows: so many steps ahead.
inline constexpr int64_t kPrefetchSteps = 8;

// What stays to be brought into the cache, a line now and then.
struct Prefetcher {
  const uint8_t* next;
  const uint8_t* end;

  HWY_INLINE void Line() {
    __builtin_prefetch(next, 0, 2);
    next += next < end ? 64 : 0;
  }
};

// Where `vector` of a row of the result begins, counted from the tile's first column.
HWY_INLINE int64_t ResultOffset(const Strides& strides, int64_t vector) {
  const int64_t column = vector * kLanes;
  return column / 16 * strides.result_lanes + column % 16;
}

// The first `columns` lanes; none if it isn't positive, as past the end of a panel's last group.
HWY_INLINE hn::Mask<Lanes> First(int64_t columns) {
  return hn::FirstN(Lanes(), static_cast<size_t>(std::max<int64_t>(columns, 0)));
}

HWY_INLINE Vec LoadResult(const float* from, int64_t columns) {
  const Lanes d;
  return columns >= kLanes ? hn::LoadU(d, from) : hn::MaskedLoad(First(columns), d, from);
}

HWY_INLINE void StoreResult(Vec value, float* to, int64_t columns) {
  const Lanes d;
  if (columns >= kLanes) {
    hn::StoreU(value, d, to);
  } else {
    hn::BlendedStore(value, First(columns), d, to);
  }
}

// One tile: kRows rows of kVectors vectors, `first` columns into the panel.
template <int kRows, int kVectors>
HWY_NOINLINE void Multiply(const Piece& piece, const Strides& strides, const Rows& rows,
                           int64_t first, Prefetcher& prefetcher) {
  const Lanes d;
  Vec sums[kRows][kVectors];
  const int64_t columns = piece.columns - first;
  if (piece.is_first) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const Vec bias =
          piece.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, piece.bias + first + v * kLanes);
      EPHEMERAL_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r][v] = bias;
    }
  } else {
    EPHEMERAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = LoadResult(rows.result + r * strides.result + ResultOffset(strides, v),
                                columns - v * kLanes);
      }
    }
  }
  const float* weights = piece.weights + first;
  for (const Segment& segment : piece.segments) {
    const float* left = rows.left + segment.offset;
    for (int64_t step = 0; step < segment.steps; ++step) {
      Vec w[kVectors];
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        w[v] = hn::LoadU(d, weights + v * kLanes);
        __builtin_prefetch(weights + kPrefetchSteps * piece.weights_stride + v * kLanes, 0, 3);
      }
      EPHEMERAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Vec x = hn::Set(d, left[r * strides.left + step]);
        EPHEMERAL_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x, w[v], sums[r][v]);
      }
      weights += piece.weights_stride;
      if (step % 4 == 0) prefetcher.Line();
    }
  }
  EPHEMERAL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      StoreResult(sums[r][v], rows.result + r * strides.result + ResultOffset(strides, v),
                  columns - v * kLanes);
    }
  }
}

// A second pass over results that are still in the first cache: so the sums keep their registers.
template <class Function>
HWY_INLINE void Map(const Strides& strides, const Rows& rows, int64_t columns, Function function) {
  const int64_t vectors = (columns + kLanes - 1) / kLanes;
  for (int64_t r = 0; r < rows.count; ++r) {
    for (int64_t v = 0; v < vectors; ++v) {
      const int64_t at = r * strides.result + ResultOffset(strides, v);
      const int64_t left = columns - v * kLanes;
      Vec value = LoadResult(rows.result + at, left);
      if (rows.residual != nullptr) value = hn::Add(value, LoadResult(rows.residual + at, left));
      StoreResult(function(value), rows.result + at, left);
    }
  }
}

HWY_NOINLINE void Finish(const Strides& strides, const Rows& rows, int64_t columns,
                         const Epilogue& epilogue) {
  const Vec alpha = Broadcast(epilogue.alpha);
  const Vec beta = Broadcast(epilogue.beta);
  const Vec zero = Broadcast(0.0f);
  const Vec one = Broadcast(1.0f);
  switch (epilogue.activation) {
    case Activation::kNone:
      if (rows.residual != nullptr) Map(strides, rows, columns, [](Vec x) { return x; });
      return;
    case Activation::kRelu:
      return Map(strides, rows, columns, [=](Vec x) { return hn::Max(x, zero); });
    case Activation::kGelu:
      return Map(strides, rows, columns, [](Vec x) { return Gelu(x); });
    case Activation::kSigmoid:
      return Map(strides, rows, columns, [](Vec x) { return Sigmoid(x); });
    case Activation::kTanh:
      return Map(strides, rows, columns, [](Vec x) { return Tanh(x); });
    case Activation::kHardSwish: {
      const Vec sixth = Broadcast(1.0f / 6);
      const Vec half = Broadcast(0.5f);
      return Map(strides, rows, columns,
                 [=](Vec x) { return hn::Mul(x, Bounded(hn::MulAdd(x, sixth, half), zero, one)); });
    }
    case Activation::kLeakyRelu:
      return Map(strides, rows, columns,
                 [=](Vec x) { return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(x, alpha), x); });
    case Activation::kHardSigmoid:
      return Map(strides, rows, columns,
                 [=](Vec x) { return Bounded(hn::MulAdd(x, alpha, beta), zero, one); });
    case Activation::kClip:
      return Map(strides, rows, columns, [=](Vec x) { return Bounded(x, alpha, beta); });
  }
}

using MultiplyFunction = void (*)(const Piece&, const Strides&, const Rows&, int64_t, Prefetcher&);

struct TileKind {
  int64_t rows;
  MultiplyFunction multiply;
};

// The kinds of tile for a number of vectors, tallest first; the last one's height is 1.
template <int kVectors>
std::span<const TileKind> TileKinds() {
  constexpr int kTallest = kLanes == 16 ? (kVectors == 4 ? 6 : kVectors == 3 ? 8 : 14) : 6;
  constexpr int kMiddle = kTallest == 14 ? 7 : 4;
  static constexpr TileKind kKinds[] = {{kTallest, Multiply<kTallest, kVectors>},
                                        {kMiddle, Multiply<kMiddle, kVectors>},
                                        {3, Multiply<3, kVectors>},
                                        {2, Multiply<2, kVectors>},
                                        {1, Multiply<1, kVectors>}};
  return kKinds;
}

std::span<const TileKind> TileKindsFor(int64_t columns) {
  if constexpr (kLanes == 16) {
    switch (columns / 16) {
      case 1:
        return TileKinds<1>();
      case 2:
        return TileKinds<2>();
      case 3:
        return TileKinds<3>();
      default:
        return TileKinds<4>();
    }
  } else {
    return TileKinds<16 / kLanes>();
  }
}

// The tallest kind that leaves nothing, or enough rows for a tile that isn't slow: seven rows are
// better done as four and three than as six and one.
const TileKind& NextTile(std::span<const TileKind> kinds, int64_t rows_left) {
  const TileKind* tallest = nullptr;
  for (const TileKind& kind : kinds) {
    if (kind.rows > rows_left) continue;
    if (tallest == nullptr) tallest = &kind;
    const int64_t rest = rows_left - kind.rows;
    if (rest == 0 || rest >= 3) return kind;
  }
  return *tallest;
}

void MultiplyRows(const Piece& piece, const Strides& strides, const Rows& rows,
                  const Epilogue& epilogue, ByteSpan upcoming) {
  Prefetcher prefetcher = {upcoming.data(), upcoming.data() + upcoming.size()};
  const int64_t width = std::min(piece.width, kTileColumns);
  const std::span<const TileKind> kinds = TileKindsFor(width);
  for (int64_t row = 0; row < rows.count;) {
    const TileKind& kind = NextTile(kinds, rows.count - row);
    Rows part = {rows.left + row * strides.left, rows.result + row * strides.result,
                 rows.residual == nullptr ? nullptr : rows.residual + row * strides.result,
                 kind.rows};
    for (int64_t first = 0; first < piece.width; first += width) {
      kind.multiply(piece, strides, part, first, prefetcher);
      if (piece.is_last) {
        Finish(strides, part, std::min(width, piece.columns - first), epilogue);
      }
      part.result += width / 16 * strides.result_lanes;
      if (part.residual != nullptr) part.residual += width / 16 * strides.result_lanes;
    }
    row += kind.rows;
  }
  // Few rows have few steps to prefetch from.
  while (prefetcher.next < prefetcher.end) prefetcher.Line();
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Finish);
HWY_EXPORT(MultiplyRows);

void MultiplyPiece(const Piece& piece, const Strides& strides, const Rows& rows,
                   const Epilogue& epilogue, ByteSpan upcoming) {
  HWY_DYNAMIC_DISPATCH(MultiplyRows)(piece, strides, rows, epilogue, upcoming);
}

void FinishRows(const Strides& strides, const Rows& rows, int64_t columns,
                const Epilogue& epilogue) {
  HWY_DYNAMIC_DISPATCH(Finish)(strides, rows, columns, epilogue);
}

}  // namespace ephemeralml::engine::panels
#endif
