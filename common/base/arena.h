#pragma once
// The wiping arena: memory for inputs, activations, opened weights and scratch space of one request
// at a time. A block is wiped when it is given back, or discarded and wiped with all others that
// were, at the latest when its request ends. The pages stay with the arena, locked and kept out of
// core dumps where the system allows.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "common/base/bytes.h"

namespace ephemeralml {

class Arena;

/// Overwrites all of what it is given with zeros: for callers who share that work out among
/// threads.
using WipeFunction = std::function<void(MutableByteSpan)>;

/// A block of an arena, 64-byte aligned. Wiped, then given back, on destruction. Move-only.
class ArenaBlock {
 public:
  ArenaBlock() = default;
  ArenaBlock(ArenaBlock&& other) noexcept;
  ArenaBlock& operator=(ArenaBlock&& other) noexcept;
  ~ArenaBlock();

  MutableByteSpan bytes() { return bytes_; }
  ByteSpan bytes() const { return bytes_; }

  /// Gives the block back at once, with what it holds: the arena overwrites that before it hands
  /// the memory out as zeroed, and in WipeDiscarded.
  void Discard();

 private:
  friend class Arena;
  ArenaBlock(Arena* arena, MutableByteSpan bytes) : arena_(arena), bytes_(bytes) {}
  void Release();

  Arena* arena_ = nullptr;
  MutableByteSpan bytes_;
};

/// Threads: any may allocate and release.
class Arena {
 public:
  /// Reserves address space for `limit_bytes`; pages are taken as blocks first touch them.
  /// Errors: kOverLimit `memory_unavailable`.
  static Result<std::unique_ptr<Arena>> Create(size_t limit_bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// A zeroed block of at least `size` bytes (its span has exactly `size`); an empty one for 0.
  /// Errors: kOverLimit `session_memory_exceeded`.
  Result<ArenaBlock> Allocate(size_t size);
  Result<ArenaBlock> Allocate(size_t size, const WipeFunction& wipe);
  /// A block that may hold what was discarded, for callers who overwrite every byte of it before
  /// they read one. Errors: as Allocate.
  Result<ArenaBlock> AllocateToOverwrite(size_t size);

  /// Wipes all memory that discarded blocks gave back. Owed at the end of every request, and on
  /// every way out of one. No other thread may use the arena meanwhile.
  void WipeDiscarded();
  void WipeDiscarded(const WipeFunction& wipe);

  /// Gives pages that no block lies on back to the system, which then counts them to nobody. Where
  /// pages are locked a kernel before Linux 5.18 keeps them.
  void GiveBackFreePages();

  size_t bytes_in_use() const;
  /// The most bytes in use at once since the last call of ResetPeak().
  size_t peak_bytes() const;
  void ResetPeak();
  /// Bytes wiped over the arena's whole life, of blocks and of what was discarded.
  uint64_t bytes_wiped() const;
  /// True if the system let us lock the arena's pages in memory.
  bool locked() const { return locked_; }

 private:
  friend class ArenaBlock;
  Arena(uint8_t* base, size_t limit_bytes, bool locked);
  void Free(MutableByteSpan bytes, bool is_wiped);
  Result<ArenaBlock> Take(size_t size);
  // What may be left of discarded blocks in `bytes`.
  MutableByteSpan Stale(MutableByteSpan bytes) const;

  uint8_t* base_;
  size_t limit_bytes_;
  bool locked_;
  mutable std::mutex mutex_;
  std::map<size_t, size_t> free_;  // offset → size, never adjacent
  size_t touched_end_ = 0;         // of the blocks since pages were given back
  size_t discarded_end_ = 0;       // of the blocks discarded since all of that was wiped
  size_t bytes_in_use_ = 0;
  size_t peak_bytes_ = 0;
  uint64_t bytes_wiped_ = 0;
};

}  // namespace ephemeralml
