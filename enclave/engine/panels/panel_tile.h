#pragma once
// The innermost loops of every product with a packed weight: rows of activations times one open
// piece of a panel. Made once for each kind of vector unit; the processor's own is chosen at run
// time. Nothing here opens, wipes, allocates or fails.

#include <cstdint>
#include <limits>
#include <span>

#include "common/base/bytes.h"

namespace ephemeralml::engine::panels {

enum class Activation : uint8_t {
  kNone,
  kRelu,
  kGelu,
  kSigmoid,
  kTanh,
  kHardSwish,         ///< x · max(0, min(1, x / 6 + 1 / 2))
  kSpelledHardSwish,  ///< x · max(0, min(6, x + 3)) / 6: the same, rounded as networks spell it out
  kLeakyRelu,         ///< alpha: the slope below 0
  kHardSigmoid,       ///< max(0, min(1, alpha x + beta))
  kClip,              ///< to [alpha, beta]
};

struct Epilogue {
  Activation activation = Activation::kNone;
  float alpha = 0;
  float beta = 0;
};

/// Activations that cut sums off while they are still in registers.
struct Bounds {
  bool is_bounded = false;
  float low = 0;
  float high = 0;

  static Bounds Of(const Epilogue& epilogue) {
    if (epilogue.activation == Activation::kRelu) {
      return {true, 0, std::numeric_limits<float>::infinity()};
    }
    if (epilogue.activation == Activation::kClip) return {true, epilogue.alpha, epilogue.beta};
    return {};
  }
};

/// Consecutive terms of a sum, of which the first lies `offset` floats after its row's begin.
struct Segment {
  int64_t offset = 0;
  int64_t steps = 0;
};

/// What is open of a panel: weights for some of the sum's steps.
struct Piece {
  const float* weights = nullptr;  ///< [the segments' steps, width]
  int64_t weights_stride = 0;      ///< floats from one step's weights to the next one's
  const float* bias = nullptr;     ///< [width], or null; used with the first piece
  std::span<const Segment> segments;
  int64_t width = 0;    ///< 16, 32, 48 or 64
  int64_t columns = 0;  ///< of the result: at most `width`
  bool is_first = false;
  bool is_last = false;
};

/// Distances in floats.
struct Strides {
  int64_t left = 0;          ///< from one row's begin to the next one's
  int64_t result = 0;        ///< from one row of the result to the next
  int64_t result_lanes = 0;  ///< from 16 columns of the result to the next 16
};

/// Rows that lie evenly spaced, in the left operand and in the result.
struct Rows {
  const float* left = nullptr;
  float* result = nullptr;
  const float* residual = nullptr;  ///< laid out as the result, or null; added with the last piece
  int64_t count = 0;
};

/// Memory to be brought into the second cache meanwhile, evenly: bursts would crowd the weights out
/// of the way between the caches.
struct Upcoming {
  const uint8_t* next = nullptr;
  const uint8_t* end = nullptr;
  int64_t interval = 1;  ///< from one time to the next, in fours of steps of tiles
  int64_t lines = 1;     ///< each time
  int64_t countdown = 1;
};

/// `sealed`, over the time that a panel's whole width takes for so many rows and steps.
Upcoming SpreadOver(ByteSpan sealed, int64_t rows, int64_t steps);

/// result (+)= left · weights; after the last piece also residual and epilogue. Sums of partial
/// pieces stand in the result.
void MultiplyPiece(const Piece& piece, const Strides& strides, const Rows& rows,
                   const Epilogue& epilogue, Upcoming& upcoming);

/// What MultiplyPiece does after the last piece, for results made otherwise: adds the residual and
/// applies the epilogue, in place. `rows.left` isn't read.
void FinishRows(const Strides& strides, const Rows& rows, int64_t columns,
                const Epilogue& epilogue);

}  // namespace ephemeralml::engine::panels
