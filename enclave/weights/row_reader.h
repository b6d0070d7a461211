#pragma once
// Rows of a sealed table, in any order: what looks a few of many up.

#include <optional>

#include "enclave/weights/panel_stream.h"

namespace ephemeralml::weights {

/// Opens the chunks that hold the rows asked for, one at a time into a private window; the next one
/// is opened over it, the last one wiped on destruction. Threads: one.
class RowReader {
 public:
  /// `weight` lies in rows; `window` has room for a chunk, and is the reader's alone.
  RowReader(const SealedModel& model, const WeightInfo& weight, Ledger& ledger,
            MutableByteSpan window);
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;
  ~RowReader();

  size_t row_bytes() const { return row_bytes_; }
  /// Copies a row to `to`, of a row's length. Meanwhile what row `next` lies in comes into the
  /// cache, if that's farther on. Errors: kUnauthentic `weights_unauthentic`.
  Done Copy(uint64_t row, std::optional<uint64_t> next, MutableByteSpan to);

 private:
  uint64_t ChunkAt(uint64_t byte) const { return byte / model_.cipher->chunk_bytes(); }
  ByteSpan SealedChunk(uint64_t chunk) const;
  void FetchWhole(uint64_t chunk);
  std::optional<uint64_t> ChunkAfter(uint64_t chunk, uint64_t row) const;
  Done Open(uint64_t chunk, std::optional<uint64_t> upcoming);
  void Close();

  const SealedModel& model_;
  const WeightInfo& weight_;
  Ledger& ledger_;
  MutableByteSpan window_;
  size_t row_bytes_;
  bool is_stale_ = false;            // the window holds plaintext
  std::optional<uint64_t> opened_;   // the chunk in the window
  std::optional<uint64_t> fetched_;  // the chunk that came into the cache last
  std::chrono::steady_clock::time_point opened_at_;
};

}  // namespace ephemeralml::weights
