#pragma once
// Reads a run of a packed weight's panels in their order, a piece at a time: each piece is open
// from its Next() to the one after it, in a window that stays in the processor's cache. Chunks
// straddle pieces; what a chunk holds beyond a piece waits in the window, and each chunk is opened
// once. Elements that are stored in half precision are made into float32 on their way into the
// window. Weights that stay open are read where they lie.

#include "enclave/weights/expand_half.h"
#include "enclave/weights/panel_stream.h"

namespace ephemeralml::weights {

/// Wiped on destruction. Move-only. Threads: one at a time; several readers of one weight may run.
class PanelReader {
 public:
  PanelReader(PanelReader&& other) noexcept;
  PanelReader& operator=(PanelReader&&) = delete;
  ~PanelReader();

  /// The next `bytes` of the run's float32 elements; wipes what was read before. Every chunk that
  /// it touches is authenticated first. A bug to read past the run's end, or more than the window
  /// is for. Errors: kUnauthentic `weights_unauthentic`.
  Result<ByteSpan> Next(uint64_t bytes);

  /// The sealed bytes that the following Next() will open first: to be fetched into the cache in
  /// time, never to be read otherwise. Its second part may be shorter than what a piece takes.
  ByteSpan Upcoming() const;

 private:
  friend class PackedWeight;
  using Clock = std::chrono::steady_clock;

  PanelReader(const SealedModel& model, Ledger& ledger, MutableByteSpan window, uint64_t begin,
              uint64_t end, wire::ElementType storage, Distance distance);
  void DropPiece();
  void CountWiped(size_t bytes);
  Done OpenUntil(uint64_t bytes);
  Done OpenMore(size_t bytes);
  Result<ByteSpan> NextExpanded(uint64_t bytes);
  Result<ByteSpan> MoreHalves(uint64_t most);
  void ShrinkExpanded(size_t bytes);
  ByteSpan NextResident(uint64_t bytes);

  const SealedModel* model_;
  Ledger* ledger_;
  MutableByteSpan window_;
  uint64_t next_chunk_;
  uint64_t next_byte_;  // of the run, where weights stay open
  uint64_t end_;        // of the run, in the plaintext stream
  wire::ElementType storage_;
  Distance distance_;
  uint64_t skip_;            // plaintext of the first chunk before the run's begin
  size_t piece_ = 0;         // bytes of the window that the last piece took
  size_t filled_ = 0;        // bytes of the window that are open
  size_t stale_ = 0;         // bytes of the window that may hold plaintext
  size_t dropped_ = 0;       // bytes of pieces that are still to be written over
  size_t expanded_ = 0;      // bytes of float32 made from halves in the window's front
  size_t halves_taken_ = 0;  // bytes of the open chunk of halves that were expanded
  Clock::time_point expanded_at_;
  Clock::time_point opened_at_;          // when the oldest open byte was
  Clock::time_point dropped_opened_at_;  // when the oldest dropped byte was
  Clock::time_point filled_at_;          // when the newest chunk was
};

/// Memory for another form of open weights, which a kernel makes of them. Counts as open until it
/// is wiped, on destruction. Move-only.
class DerivedWeights {
 public:
  DerivedWeights(DerivedWeights&& other) noexcept;
  DerivedWeights& operator=(DerivedWeights&&) = delete;
  ~DerivedWeights();

  /// All of `block` counts as open from now on.
  DerivedWeights(ArenaBlock block, Ledger& ledger);

  ByteSpan bytes() const { return block_.bytes(); }
  /// All of it, to be written over: the age of what it holds counts from now on.
  MutableByteSpan Renew();

 private:
  using Clock = std::chrono::steady_clock;

  ArenaBlock block_;
  Ledger* ledger_;
  Clock::time_point made_at_;
};

/// A packed weight of one request. Threads: several may make readers.
class PackedWeight {
 public:
  /// A bug if the weight isn't packed.
  PackedWeight(const SealedModel& model, const WeightInfo& weight, Ledger& ledger);

  const WeightInfo& weight() const { return *weight_; }
  const wire::PackedShape& shape() const { return weight_->packed; }

  /// Bytes of a window for pieces of up to `largest_piece` bytes: before the first piece and after
  /// each one, parts of a chunk may lie beside it.
  uint64_t WindowBytes(uint64_t largest_piece) const;
  /// Reads the panels [first_panel, last_panel). The window outlives the reader, which leaves it
  /// wiped. `distance` is kNear if what Upcoming() says is fetched in time.
  PanelReader Read(uint64_t first_panel, uint64_t last_panel, MutableByteSpan window,
                   Distance distance = Distance::kNear) const;
  /// Begins to bring all of it, sealed, into a cache: for a small weight that is read soon, and
  /// then is near.
  void FetchSealed() const;
  /// Memory for another form of some of it, to be written before it is read.
  /// Errors: kOverLimit `session_memory_exceeded`.
  Result<DerivedWeights> Derive(Arena& arena, size_t bytes) const;

 private:
  const SealedModel* model_;
  const WeightInfo* weight_;
  Ledger* ledger_;
};

}  // namespace ephemeralml::weights
