#include "common/base/arena.h"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/forbidden_memory.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kPageBytes = 4096;
constexpr size_t kHugePageBytes = size_t{2} << 20;  // x86-64's; a touch may bring in as much
// MADV_DONTNEED_LOCKED of Linux 5.18, which Debian 12's headers lack.
constexpr int kDropLockedPages = 24;

constexpr size_t RoundUp(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// Without being told, AddressSanitizer would miss what runs from one block into the next, and what
// uses a block that was given back.
constexpr size_t kForbiddenAfterBlock = kSeesForbiddenMemory ? 64 : 0;
constexpr size_t ReservedFor(size_t limit_bytes) {
  return kSeesForbiddenMemory ? 4 * limit_bytes : limit_bytes;
}
// Whoever reads what they should have overwritten finds no numbers there.
constexpr uint8_t kNeverWritten = 0xFF;

}  // namespace

ArenaBlock::ArenaBlock(ArenaBlock&& other) noexcept
    : arena_(std::exchange(other.arena_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}

ArenaBlock& ArenaBlock::operator=(ArenaBlock&& other) noexcept {
  if (this != &other) {
    Release();
    arena_ = std::exchange(other.arena_, nullptr);
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

ArenaBlock::~ArenaBlock() { Release(); }

void ArenaBlock::Release() {
  if (bytes_.empty()) return;
  Wipe(bytes_);
  std::exchange(arena_, nullptr)->Free(std::exchange(bytes_, {}), true);
}

void ArenaBlock::Discard() {
  if (bytes_.empty()) return;
  std::exchange(arena_, nullptr)->Free(std::exchange(bytes_, {}), false);
}

Arena::Arena(uint8_t* base, size_t limit_bytes, bool locked)
    : base_(base), limit_bytes_(limit_bytes), locked_(locked) {
  free_.emplace(0, ReservedFor(limit_bytes));
  Forbid(base_, ReservedFor(limit_bytes));
}

Result<std::unique_ptr<Arena>> Arena::Create(size_t limit_bytes) {
  limit_bytes = std::max(RoundUp(limit_bytes), kAlignment);
  const size_t reserved = ReservedFor(limit_bytes);
  void* memory = mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return Error{Code::kOverLimit, "memory_unavailable",
                 "can't reserve " + std::to_string(limit_bytes) + " bytes for a session"};
  }
  (void)madvise(memory, reserved, MADV_DONTDUMP);
  // Without it a core spends part of its time finding pages.
  (void)madvise(memory, reserved, MADV_HUGEPAGE);
  const bool locked = mlock2(memory, reserved, MLOCK_ONFAULT) == 0;
  return std::unique_ptr<Arena>(new Arena(static_cast<uint8_t*>(memory), limit_bytes, locked));
}

Arena::~Arena() {
  CHECK(bytes_in_use_ == 0);
  Permit(base_, ReservedFor(limit_bytes_));
  (void)munmap(base_, ReservedFor(limit_bytes_));
}

Result<ArenaBlock> Arena::Allocate(size_t size) { return Allocate(size, Wipe); }

Result<ArenaBlock> Arena::Allocate(size_t size, const WipeFunction& wipe) {
  TRY(ArenaBlock block, Take(size));
  if (const MutableByteSpan stale = Stale(block.bytes()); !stale.empty()) wipe(stale);
  return block;
}

Result<ArenaBlock> Arena::AllocateToOverwrite(size_t size) {
  TRY(ArenaBlock block, Take(size));
  if (kSeesForbiddenMemory) std::ranges::fill(block.bytes(), kNeverWritten);
  return block;
}

MutableByteSpan Arena::Stale(MutableByteSpan bytes) const {
  if (bytes.empty()) return bytes;
  const std::lock_guard lock(mutex_);
  const auto offset = static_cast<size_t>(bytes.data() - base_);
  return bytes.first(std::min(bytes.size(), std::max(offset, discarded_end_) - offset));
}

// Best fit: activations come in few sizes, so a block freed by one node suits a later one exactly.
Result<ArenaBlock> Arena::Take(size_t size) {
  if (size == 0) return ArenaBlock();
  if (size > limit_bytes_) {
    return Error{Code::kOverLimit, "session_memory_exceeded",
                 "a value needs more memory than a session may use"};
  }
  const size_t counted = RoundUp(size);
  const size_t needed = counted + kForbiddenAfterBlock;
  const std::lock_guard lock(mutex_);
  auto best = free_.end();
  for (auto gap = free_.begin(); gap != free_.end(); ++gap) {
    if (gap->second < needed) continue;
    if (best == free_.end() || gap->second < best->second) best = gap;
  }
  if (best == free_.end() || bytes_in_use_ + counted > limit_bytes_) {
    return Error{Code::kOverLimit, "session_memory_exceeded",
                 "the request needs more memory than a session may use"};
  }
  const auto [offset, available] = *best;
  free_.erase(best);
  if (available > needed) free_.emplace(offset + needed, available - needed);
  bytes_in_use_ += counted;
  peak_bytes_ = std::max(peak_bytes_, bytes_in_use_);
  // No block's end knows of what was discarded between it and the next block.
  Permit(base_ + offset, needed);
  Wipe({base_ + offset + size, needed - size});
  Forbid(base_ + offset + size, needed - size);
  touched_end_ = std::max(touched_end_, offset + needed);
  return ArenaBlock(this, {base_ + offset, size});
}

void Arena::WipeDiscarded() { WipeDiscarded(Wipe); }

void Arena::WipeDiscarded(const WipeFunction& wipe) {
  for (const auto& [offset, size] : free_) {
    const size_t stale = std::min(size, std::max(offset, discarded_end_) - offset);
    if (stale == 0) break;
    Permit(base_ + offset, stale);
    wipe({base_ + offset, stale});
    Forbid(base_ + offset, stale);
    bytes_wiped_ += stale;
  }
  discarded_end_ = 0;
}

void Arena::Free(MutableByteSpan bytes, bool is_wiped) {
  size_t offset = static_cast<size_t>(bytes.data() - base_);
  size_t size = RoundUp(bytes.size());
  const std::lock_guard lock(mutex_);
  if (is_wiped) bytes_wiped_ += bytes.size();
  if (!is_wiped) discarded_end_ = std::max(discarded_end_, offset + size);
  bytes_in_use_ -= size;
  size += kForbiddenAfterBlock;
  Forbid(base_ + offset, size);
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + size == next->first) {
    size += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += size;
      return;
    }
  }
  free_.emplace(offset, size);
}

void Arena::GiveBackFreePages() {
  const std::lock_guard lock(mutex_);
  for (const auto& [offset, size] : free_) {
    const size_t begin = (offset + kPageBytes - 1) / kPageBytes * kPageBytes;
    const size_t end =
        std::min(offset + size, touched_end_ + kHugePageBytes) / kPageBytes * kPageBytes;
    if (begin < end) {
      (void)madvise(base_ + begin, end - begin, locked_ ? kDropLockedPages : MADV_DONTNEED);
    }
  }
  const auto last = free_.empty() ? free_.end() : std::prev(free_.end());
  const bool reaches_the_end =
      last != free_.end() && last->first + last->second == ReservedFor(limit_bytes_);
  if (reaches_the_end) touched_end_ = std::min(touched_end_, last->first);
}

size_t Arena::bytes_in_use() const {
  const std::lock_guard lock(mutex_);
  return bytes_in_use_;
}

size_t Arena::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_bytes_;
}

void Arena::ResetPeak() {
  const std::lock_guard lock(mutex_);
  peak_bytes_ = bytes_in_use_;
}

uint64_t Arena::bytes_wiped() const {
  const std::lock_guard lock(mutex_);
  return bytes_wiped_;
}

}  // namespace ephemeralml
