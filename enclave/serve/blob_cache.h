#pragma once
// Sealed blobs in memory files, kept by the supervisor so that later sessions don't touch the
// host's store. Ciphertext alone: what is in here, the host has too.

#include <cstdint>
#include <list>

#include "common/base/file.h"
#include "common/wire/blob_format.h"
#include "enclave/serve/control.h"

namespace ephemeralml::serve {

/// Threads: one.
class BlobCache {
 public:
  explicit BlobCache(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  uint64_t limit_bytes() const { return limit_bytes_; }

  /// The memory file of a cached blob of this id and length, or -1. The cache keeps owning it.
  int Find(const FetchOrder& order);

  /// Takes a memory file that a fetcher filled: refuses it unless it has the ordered length, seals
  /// it against any change, drops what was used least recently beyond the limit. Returns the
  /// descriptor. Errors: kUnauthentic `blob_incomplete`, kOverLimit `blob_too_large`.
  Result<int> Insert(const FetchOrder& order, UniqueFd memory);

  /// Forgets a blob. Sessions that map it keep their mapping.
  void Drop(const wire::BlobId& id);

  uint64_t bytes() const { return bytes_; }
  /// How many blobs were dropped for others' sake.
  uint64_t evicted() const { return evicted_; }

 private:
  struct Entry {
    FetchOrder order;
    UniqueFd memory;
  };

  uint64_t limit_bytes_;
  uint64_t bytes_ = 0;
  uint64_t evicted_ = 0;
  std::list<Entry> entries_;  // the most recently used first
};

}  // namespace ephemeralml::serve
