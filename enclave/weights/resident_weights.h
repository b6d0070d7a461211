#pragma once
// Lifetime `resident`: a model's whole plaintext stream, opened once and kept in locked memory
// until the session ends or its client asks for another lifetime. That a model is open for moments
// alone doesn't hold for it, and what it reports says so.

#include "enclave/weights/panel_stream.h"

namespace ephemeralml::weights {

/// Wiped on destruction. Threads: as each function says.
class ResidentWeights {
 public:
  using Clock = std::chrono::steady_clock;

  /// Takes the memory; nothing is open yet. Threads: one. Errors: kUnsupported
  /// `memory_not_lockable` (the system doesn't let it be locked), kOverLimit
  /// `session_memory_exceeded`.
  static Result<ResidentWeights> Create(const SealedModel& model, Arena& arena);

  /// Opens the chunks [begin, end) where they stay, and counts them. Threads: any, each its own.
  /// Errors: kUnauthentic `weights_unauthentic`.
  Done Open(const SealedModel& model, uint64_t begin, uint64_t end, Ledger& ledger);

  /// The stream, once all of it is open.
  ByteSpan bytes() const { return block_.bytes(); }

  Clock::time_point opened_at() const { return opened_at_; }

  /// Says in a request's ledger that all of this was open throughout, or, of the request that
  /// opened it, since then. Threads: one.
  void CountSince(Clock::time_point request_start, Ledger& ledger) const;

 private:
  explicit ResidentWeights(ArenaBlock block) : block_(std::move(block)), opened_at_(Clock::now()) {}

  ArenaBlock block_;
  Clock::time_point opened_at_;
};

}  // namespace ephemeralml::weights
