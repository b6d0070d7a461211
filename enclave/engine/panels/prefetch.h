#pragma once
// Bringing memory into the cache in time. Nothing here reads: any address is right.

#include "enclave/engine/panels/panel_tile.h"
#include "enclave/engine/panels/vector_units.h"

namespace ephemeralml::engine::panels {

/// The line that `address` is on, to be written: it is taken away from other processors' caches
/// now, and not when the first store waits for it.
inline void PrefetchToWrite(const float* address) {
#if defined(__x86_64__)
  // Compilers make a prefetch to read of it where they aren't told of a processor that has the
  // instruction. Processors that haven't do nothing.
  asm volatile("prefetchw %0" : : "m"(*address));
#else
  __builtin_prefetch(address, 1, 3);
#endif
}

/// Brings the next lines of `upcoming` into the second cache, if it is time.
inline void PrefetchUpcoming(Upcoming& upcoming) {
  if (--upcoming.countdown > 0) return;
  upcoming.countdown = upcoming.interval;
  for (int64_t line = 0; line < upcoming.lines && upcoming.next < upcoming.end; ++line) {
    __builtin_prefetch(upcoming.next, 0, 2);
    upcoming.next += 64;
  }
}

/// What a tile meets when it ends, and the rows of the one below it, brought into the cache while
/// its own are multiplied: all of it may lie in another processor's cache, or have left this one's,
/// and no processor foresees rows of a few lines each.
template <int64_t kRows, int64_t kGroups>
class Neighbours {
 public:
  /// `rows` are the tile's, of `kGroups` times 16 columns.
  [[gnu::always_inline]] Neighbours(const Piece& piece, const Strides& strides, const Rows& rows,
                                    bool fetches_rows_below)
      : left_stride_(strides.left),
        to_next_row_(strides.result - (kGroups - 1) * strides.result_lanes),
        result_lanes_(strides.result_lanes) {
    if (fetches_rows_below) below_ = rows.left + kRows * left_stride_;
    if (piece.is_first) result_ = rows.result;
    if (piece.is_last) residual_ = rows.residual;
  }

  [[gnu::always_inline]] void Enter(const Segment& segment) {
    if (below_ == nullptr) return;
    left_ = below_ + segment.offset;
    turn_ = 0;
  }

  /// Once for every four steps of a segment.
  [[gnu::always_inline]] void Fetch() {
    if (left_ != nullptr) {
      EPHEMERAL_UNROLL
      for (int64_t i = 0; i < 4; ++i) __builtin_prefetch(left_ + i * left_stride_, 0, 2);
      left_ += 4 * left_stride_;
      if (++turn_ % 4 == 0) left_ += kLineFloats - 16 * left_stride_;
    }
    if (result_ != nullptr) PrefetchToWrite(result_ + offset_);
    if (residual_ != nullptr) __builtin_prefetch(residual_ + offset_);
    // Over the last line again and again, rather than by a branch that is foreseen wrong in each
    // tile.
    const int64_t to_next = lines_ % kGroups == 0 ? to_next_row_ : result_lanes_;
    offset_ += lines_ > 0 ? to_next : 0;
    lines_ -= lines_ > 0 ? 1 : 0;
  }

 private:
  static constexpr int64_t kLineFloats = 16;

  int64_t left_stride_;
  int64_t to_next_row_;
  int64_t result_lanes_;
  const float* below_ = nullptr;
  const float* left_ = nullptr;
  const float* result_ = nullptr;
  const float* residual_ = nullptr;
  int64_t offset_ = 0;
  int64_t turn_ = 0;
  int64_t lines_ = kRows * kGroups - 1;  // behind the one at `offset_`
};

}  // namespace ephemeralml::engine::panels
