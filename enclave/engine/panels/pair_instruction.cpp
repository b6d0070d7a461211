#include "enclave/engine/panels/pair_instruction.h"

#include "common/base/result.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>

#include "enclave/engine/panels/prefetch.h"
#include "enclave/engine/panels/vector_units.h"

#define EPHEMERAL_PAIR_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

namespace ephemeralml::engine::panels {
namespace {

constexpr int64_t kLanes = 16;
// Weights come from the second cache while the first holds the rows: so many steps ahead.
constexpr int64_t kPrefetchSteps = 8;

EPHEMERAL_PAIR_TARGET inline __mmask16 FirstColumns(int64_t count) {
  return static_cast<__mmask16>((1U << std::clamp<int64_t>(count, 0, kLanes)) - 1);
}

// Sums from where they stand in the result, and back. Nearly all tiles have all their columns:
// those need no masks. Strides by value: a store might change what a reference refers to.
template <int kRows, int kVectors>
EPHEMERAL_PAIR_TARGET inline void Load(const float* result, Strides strides, int64_t columns,
                                       __m512 (&sums)[kRows][kVectors]) {
  EPHEMERAL_UNROLL
  for (int r = 0; r < kRows; ++r, result += strides.result) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const float* from = result + v * strides.result_lanes;
      sums[r][v] = columns >= kVectors * kLanes
                       ? _mm512_loadu_ps(from)
                       : _mm512_maskz_loadu_ps(FirstColumns(columns - v * kLanes), from);
    }
  }
}

template <int kRows, int kVectors>
EPHEMERAL_PAIR_TARGET inline void Store(const __m512 (&sums)[kRows][kVectors], float* result,
                                        Strides strides, int64_t columns) {
  EPHEMERAL_UNROLL
  for (int r = 0; r < kRows; ++r, result += strides.result) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      float* to = result + v * strides.result_lanes;
      if (columns >= kVectors * kLanes) {
        _mm512_storeu_ps(to, sums[r][v]);
      } else {
        _mm512_mask_storeu_ps(to, FirstColumns(columns - v * kLanes), sums[r][v]);
      }
    }
  }
}

template <int kRows, int kVectors>
EPHEMERAL_PAIR_TARGET void Multiply(const Piece& piece, const Strides& strides, const Rows& rows,
                                    Upcoming& upcoming) {
  __m512 sums[kRows][kVectors];
  if (piece.is_first) {
    EPHEMERAL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const __m512 bias =
          piece.bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(piece.bias + v * kLanes);
      EPHEMERAL_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r][v] = bias;
    }
  } else {
    Load(rows.result, strides, piece.columns, sums);
  }
  const float* weights = piece.weights;
  constexpr bool kFetchesRowsBelow = false;  // they are half as long: it took longer
  Neighbours<kRows, kVectors> neighbours(piece, strides, rows, kFetchesRowsBelow);
  for (const Segment& segment : piece.segments) {
    const float* left = rows.left + segment.offset;
    for (int64_t step = 0; step < segment.steps; ++step) {
      __m512i w[kVectors];
      EPHEMERAL_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        w[v] = _mm512_loadu_si512(weights + v * kLanes);
        __builtin_prefetch(weights + kPrefetchSteps * piece.weights_stride + v * kLanes, 0, 3);
      }
      EPHEMERAL_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const __m512i x = _mm512_castps_si512(_mm512_set1_ps(left[r * strides.left + step]));
        EPHEMERAL_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = _mm512_dpbf16_ps(sums[r][v], reinterpret_cast<__m512bh>(x),
                                        reinterpret_cast<__m512bh>(w[v]));
        }
      }
      weights += piece.weights_stride;
      if (step % 4 == 0) {
        PrefetchUpcoming(upcoming);
        neighbours.Fetch();
      }
    }
  }
  Store(sums, rows.result, strides, piece.columns);
}

using MultiplyFunction = void (*)(const Piece&, const Strides&, const Rows&, Upcoming&);

// By columns, then rows.
constexpr MultiplyFunction kTiles[4][kTallestPairTile] = {
    {Multiply<1, 1>, Multiply<2, 1>, Multiply<3, 1>, Multiply<4, 1>, Multiply<5, 1>,
     Multiply<6, 1>},
    {Multiply<1, 2>, Multiply<2, 2>, Multiply<3, 2>, Multiply<4, 2>, Multiply<5, 2>,
     Multiply<6, 2>},
    {Multiply<1, 3>, Multiply<2, 3>, Multiply<3, 3>, Multiply<4, 3>, Multiply<5, 3>,
     Multiply<6, 3>},
    {Multiply<1, 4>, Multiply<2, 4>, Multiply<3, 4>, Multiply<4, 4>, Multiply<5, 4>,
     Multiply<6, 4>}};

}  // namespace

bool HasPairInstruction() {
  static const bool has_instruction =
      __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_instruction;
}

void MultiplyByInstruction(const Piece& piece, const Strides& strides, const Rows& rows,
                           const Epilogue& epilogue, Upcoming& upcoming) {
  const bool is_finished =
      !piece.is_last || (rows.residual == nullptr && epilogue.activation == Activation::kNone);
  const auto& tiles = kTiles[piece.width / kLanes - 1];
  for (int64_t row = 0; row < rows.count;) {
    const Rows part = PairTileAt(strides, rows, row);
    tiles[part.count - 1](piece, strides, part, upcoming);
    if (!is_finished) FinishRows(strides, part, piece.columns, epilogue);
    row += part.count;
  }
}

EPHEMERAL_PAIR_TARGET void MakeWordsByInstruction(const float* from, int64_t steps, float* to) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= steps; i += 2 * kLanes) {
    const __m512bh pairs =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + kLanes), _mm512_loadu_ps(from + i));
    _mm512_storeu_si512(to + i / 2, reinterpret_cast<__m512i>(pairs));
  }
  if (i == steps) return;
  const int64_t left = steps - i;
  const __m512 first = _mm512_maskz_loadu_ps(FirstColumns(left), from + i);
  const __m512 second = _mm512_maskz_loadu_ps(FirstColumns(left - kLanes), from + i + kLanes);
  const __m512bh pairs = _mm512_cvtne2ps_pbh(second, first);
  _mm512_mask_storeu_epi32(to + i / 2, FirstColumns((left + 1) / 2),
                           reinterpret_cast<__m512i>(pairs));
}

}  // namespace ephemeralml::engine::panels

#else

namespace ephemeralml::engine::panels {

bool HasPairInstruction() { return false; }

void MultiplyByInstruction(const Piece&, const Strides&, const Rows&, const Epilogue&, Upcoming&) {
  CHECK(false);
}

void MakeWordsByInstruction(const float*, int64_t, float*) { CHECK(false); }

}  // namespace ephemeralml::engine::panels

#endif
