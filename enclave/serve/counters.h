#pragma once
// What the supervisor counts for those who run the machine: sums over everyone, never per model or
// client. Whoever connects gets them and the end; nothing is read from anyone.

#include <cstdint>
#include <string>

namespace ephemeralml::serve {

struct Counters {
  uint64_t sessions = 0;             ///< being served
  uint64_t sessions_total = 0;       ///< begun
  uint64_t workers_died_total = 0;   ///< ended by a signal; fetchers too
  uint64_t calls_refused_total = 0;  ///< workers and fetchers that ended at the system call filter
  uint64_t blobs_evicted_total = 0;  ///< from the cache, for others' sake
  uint64_t tags_failed_total = 0;    ///< blobs that the host altered
  uint64_t attestations_failed_total = 0;

  /// Notes how a worker or a fetcher ended: its status as wait() gives it.
  void NoteEnd(int status);

  /// One `NAME VALUE` a line.
  std::string ToText() const;
};

/// Takes one connection from `listener`, writes the counters and ends it. Never waits: what a
/// peer's socket doesn't take at once is lost.
void AnswerWithCounters(int listener, const Counters& counters);

}  // namespace ephemeralml::serve
