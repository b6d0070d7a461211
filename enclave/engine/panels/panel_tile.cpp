#include "enclave/engine/panels/panel_tile.h"

#include <algorithm>
#include <array>
#include <utility>

#include "enclave/engine/panels/prefetch.h"
#include "enclave/engine/panels/vector_units.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "enclave/engine/panels/panel_tile.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "enclave/engine/panels/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ephemeralml::engine::panels::HWY_NAMESPACE {

// Weights come from the second cache while the first holds the rows: so many steps ahead.
inline constexpr int64_t kPrefetchSteps = 8;

// Where `vector` of a row of the result begins, counted from the tile's first column.
HWY_INLINE int64_t ResultOffset(const Strides& strides, int64_t vector) {
  const int64_t column = vector * kLanes;
  return column / 16 * strides.result_lanes + column % 16;
}

// `columns` isn't positive past the end of a panel's last group.
HWY_INLINE Vec LoadResult(const float* from, int64_t columns) {
  if (columns >= kLanes) return hn::LoadU(Lanes(), from);
  return LoadFirst(from, std::max<int64_t>(columns, 0));
}

HWY_INLINE void StoreResult(Vec value, float* to, int64_t columns) {
  if (columns >= kLanes) {
    hn::StoreU(value, Lanes(), to);
  } else {
    StoreFirst(value, to, std::max<int64_t>(columns, 0));
  }
}

// One tile of a piece: where its results begin, and how many columns they have.
struct Tile {
  const Piece& piece;
  const Strides& strides;
  const Rows& rows;
  int64_t first;  // column of the panel
  Bounds bounds;
  bool has_rows_below;

  int64_t columns() const { return piece.columns - first; }
};

// Calls function(sum, place, columns) for each sum of a tile whose first result, or what is laid
// out as the results, lies at `first`; `columns` are those from the place on. Nearly all tiles have
// all of theirs: they take no branches, which would cost as much as some steps.
template <int kRows, int kVectors, class Float, class Function>
HWY_INLINE void ForEachSum(const Tile& tile, Float* first, Vec (&sums)[kRows][kVectors],
                           Function function) {
  const Strides strides = tile.strides;  // a store might change what a reference refers to
  const int64_t columns = tile.columns();
  const auto run = [&](auto columns_from) {
    EPHEMERAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        function(sums[r][v], first + ResultOffset(strides, v), columns_from(v));
      }
      first += strides.result;
    }
  };
  if (columns >= kVectors * kLanes) {
    run([](int) { return kLanes; });
  } else {
    run([columns](int v) { return columns - v * kLanes; });
  }
}

template <int kRows, int kVectors>
HWY_INLINE void Begin(const Tile& tile, Vec (&sums)[kRows][kVectors]) {
  const Lanes d;
  if (tile.piece.is_first) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const Vec bias = tile.piece.bias == nullptr
                           ? hn::Zero(d)
                           : hn::LoadU(d, tile.piece.bias + tile.first + v * kLanes);
      EPHEMERAL_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r][v] = bias;
    }
    return;
  }
  ForEachSum(tile, tile.rows.result, sums,
             [](Vec& sum, const float* at, int64_t columns) { sum = LoadResult(at, columns); });
}

template <int kRows, int kVectors>
HWY_INLINE void End(const Tile& tile, Vec (&sums)[kRows][kVectors]) {
  if (tile.piece.is_last && tile.rows.residual != nullptr) {
    ForEachSum(tile, tile.rows.residual, sums, [](Vec& sum, const float* at, int64_t columns) {
      sum = hn::Add(sum, LoadResult(at, columns));
    });
  }
  if (tile.piece.is_last && tile.bounds.is_bounded) {
    const Vec low = Broadcast(tile.bounds.low);
    const Vec high = Broadcast(tile.bounds.high);
    EPHEMERAL_UNROLL
    for (int r = 0; r < kRows; ++r) {
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Bounded(sums[r][v], low, high);
    }
  }
  ForEachSum(tile, tile.rows.result, sums,
             [](Vec sum, float* at, int64_t columns) { StoreResult(sum, at, columns); });
}

// Where a tile's rows stand in the sum. `kRowStride` is the distance of rows, or 0 if it isn't
// known before: then every third row has a pointer, and the processor adds once or twice the stride
// while it loads. Sums of addresses would take the time of multiplications.
template <int kRows, int64_t kRowStride>
struct Left {
  static constexpr int kRowsEach = kRowStride == 0 ? 3 : kRows;
  static constexpr int kPointers = (kRows + kRowsEach - 1) / kRowsEach;

  HWY_INLINE Left(const float* first, int64_t row_stride)
      : stride(kRowStride == 0 ? row_stride : kRowStride) {
    EPHEMERAL_UNROLL
    for (int i = 0; i < kPointers; ++i) pointers[i] = first + stride * kRowsEach * i;
  }
  HWY_INLINE Vec At(int row) const {
    return hn::Set(Lanes(), pointers[row / kRowsEach][row % kRowsEach * stride]);
  }
  HWY_INLINE void Advance() {
    EPHEMERAL_UNROLL
    for (int i = 0; i < kPointers; ++i) ++pointers[i];
  }

  const float* pointers[kPointers];
  int64_t stride;
};

template <int kRows, int kVectors, int64_t kRowStride>
HWY_NOINLINE void Multiply(const Tile& tile, Upcoming& upcoming) {
  const Lanes d;
  Vec sums[kRows][kVectors];
  Begin(tile, sums);
  const float* weights = tile.piece.weights + tile.first;
  const int64_t stride = tile.piece.weights_stride;
  // A pointer of its own: offsets from the other would need more registers than there are.
  const float* ahead = weights + kPrefetchSteps * stride;
  Neighbours<kRows, (kVectors * kLanes + 15) / 16> neighbours(
      tile.piece, tile.strides, tile.rows, tile.has_rows_below && tile.first == 0);
  for (const Segment& segment : tile.piece.segments) {
    Left<kRows, kRowStride> left(tile.rows.left + segment.offset, tile.strides.left);
    neighbours.Enter(segment);
    for (int64_t step = segment.steps; step > 0; --step) {
      Vec w[kVectors];
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        w[v] = hn::LoadU(d, weights + v * kLanes);
        __builtin_prefetch(ahead + v * kLanes, 0, 3);
      }
      EPHEMERAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Vec x = left.At(r);
        EPHEMERAL_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x, w[v], sums[r][v]);
      }
      weights += stride;
      ahead += stride;
      left.Advance();
      if (step % 4 == 0) {
        PrefetchUpcoming(upcoming);
        neighbours.Fetch();
      }
    }
  }
  End(tile, sums);
}

// A second pass over results that are still in the first cache: so the sums keep their registers.
template <class Function>
HWY_INLINE void Map(Strides strides, Rows rows, int64_t columns, Function function) {
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

// Residual and activation.
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
    case Activation::kSpelledHardSwish: {
      const Vec three = Broadcast(3.0f);
      const Vec six = Broadcast(6.0f);
      return Map(strides, rows, columns, [=](Vec x) {
        return hn::Div(hn::Mul(x, Bounded(hn::Add(x, three), zero, six)), six);
      });
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

using MultiplyFunction = void (*)(const Tile&, Upcoming&);

template <int kVectors, int64_t kRowStride, int... kHeights>
constexpr std::array<MultiplyFunction, sizeof...(kHeights)> TilesOfHeights(
    std::integer_sequence<int, kHeights...> /*heights*/) {
  return {Multiply<kHeights + 1, kVectors, kRowStride>...};
}

// By height, from one row on.
template <int kVectors, int64_t kRowStride>
std::span<const MultiplyFunction> Tiles() {
  constexpr int kTallest = kLanes != 16 ? 6 : kVectors == 4 ? 6 : kVectors == 3 ? 8 : 14;
  static constexpr auto kTiles =
      TilesOfHeights<kVectors, kRowStride>(std::make_integer_sequence<int, kTallest>());
  return kTiles;
}

template <int64_t kRowStride>
std::span<const MultiplyFunction> TilesFor(int64_t columns) {
  if constexpr (kLanes == 16) {
    switch (columns / 16) {
      case 1:
        return Tiles<1, kRowStride>();
      case 2:
        return Tiles<2, kRowStride>();
      case 3:
        return Tiles<3, kRowStride>();
      default:
        return Tiles<4, kRowStride>();
    }
  } else {
    return Tiles<16 / kLanes, kRowStride>();
  }
}

// Two vectors leave registers for fourteen rows of sums, which each weight then meets on one way
// from the second cache; few rows keep more sums on the way with four.
int64_t TileColumns(int64_t width, int64_t rows) {
  if (kLanes != 16) return 16;
  return width == 64 && rows > 6 ? 32 : width;
}

// As few tiles as can be, all about as high: low ones are slow.
int64_t NextHeight(size_t tallest, int64_t rows_left) {
  const auto most = static_cast<int64_t>(tallest);
  const int64_t tiles = (rows_left + most - 1) / most;
  return (rows_left + tiles - 1) / tiles;
}

void MultiplyRows(const Piece& piece, const Strides& strides, const Rows& rows,
                  const Epilogue& epilogue, Upcoming& upcoming) {
  const int64_t width = TileColumns(piece.width, rows.count);
  const std::span<const MultiplyFunction> tiles =
      strides.left == 16 ? TilesFor<16>(width) : TilesFor<0>(width);
  const Bounds bounds = Bounds::Of(epilogue);
  const bool is_finished = bounds.is_bounded || epilogue.activation == Activation::kNone;
  for (int64_t row = 0; row < rows.count;) {
    const int64_t height = NextHeight(tiles.size(), rows.count - row);
    const MultiplyFunction multiply = tiles[static_cast<size_t>(height) - 1];
    const bool has_rows_below = row + height < rows.count;
    Rows part = {rows.left + row * strides.left, rows.result + row * strides.result,
                 rows.residual == nullptr ? nullptr : rows.residual + row * strides.result, height};
    for (int64_t first = 0; first < piece.width; first += width) {
      multiply({piece, strides, part, first, bounds, has_rows_below}, upcoming);
      if (piece.is_last && !is_finished) {
        const Rows sums = {nullptr, part.result, nullptr, height};
        Finish(strides, sums, std::min(width, piece.columns - first), epilogue);
      }
      part.result += width / 16 * strides.result_lanes;
      if (part.residual != nullptr) part.residual += width / 16 * strides.result_lanes;
    }
    row += height;
  }
}

}  // namespace ephemeralml::engine::panels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ephemeralml::engine::panels {

HWY_EXPORT(Finish);
HWY_EXPORT(MultiplyRows);

Upcoming SpreadOver(ByteSpan sealed, int64_t rows, int64_t steps) {
  // Of a panel's whole width in the time of a tile, mostly: tiles are twice as high and half as
  // wide.
  constexpr int64_t kTileRows = 7;
  // More at once would stand in the way of the weights.
  constexpr int64_t kMostLinesAtOnce = 4;
  const int64_t fours = std::max<int64_t>(rows / kTileRows * steps / 4, 1);
  const auto lines = static_cast<int64_t>(sealed.size() / 64) + 1;
  return {sealed.data(), sealed.data() + sealed.size(), std::max<int64_t>(fours / lines, 1),
          std::min((lines + fours - 1) / fours, kMostLinesAtOnce), 1};
}

void MultiplyPiece(const Piece& piece, const Strides& strides, const Rows& rows,
                   const Epilogue& epilogue, Upcoming& upcoming) {
  HWY_DYNAMIC_DISPATCH(MultiplyRows)(piece, strides, rows, epilogue, upcoming);
}

void FinishRows(const Strides& strides, const Rows& rows, int64_t columns,
                const Epilogue& epilogue) {
  HWY_DYNAMIC_DISPATCH(Finish)(strides, rows, columns, epilogue);
}

}  // namespace ephemeralml::engine::panels
#endif
