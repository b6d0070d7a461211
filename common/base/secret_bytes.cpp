#include "common/base/secret_bytes.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "common/base/forbidden_memory.h"

namespace ephemeralml {

namespace {

struct Pages {
  uint8_t* data = nullptr;
  size_t bytes = 0;
};

// Pages of secrets that are gone, wiped and still locked, for those that come: the kernel takes as
// long to give and lock a message's pages as it takes to copy the message. Never destroyed, since
// secrets may be.
class SparePages {
 public:
  // Pages of at least `bytes` and at most twice that, or none.
  Pages Take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    Pages* best = nullptr;
    for (Pages& each : kept_) {
      const bool fits = each.bytes >= bytes && each.bytes <= 2 * bytes;
      if (fits && (best == nullptr || each.bytes < best->bytes)) best = &each;
    }
    if (best == nullptr) return {};
    total_ -= best->bytes;
    Permit(best->data, best->bytes);
    return std::exchange(*best, {});
  }
  // True if it keeps them; all of them are zero.
  bool Keep(const Pages& pages) {
    const std::lock_guard lock(mutex_);
    auto* const free = std::ranges::find(kept_, size_t{0}, &Pages::bytes);
    if (free == kept_.end() || pages.bytes > kMostBytes - total_) return false;
    Forbid(pages.data, pages.bytes);
    total_ += pages.bytes;
    *free = pages;
    return true;
  }
  // Gives all back to the kernel, so that others may be locked. True if there were any.
  bool GiveBack() {
    const std::lock_guard lock(mutex_);
    if (total_ == 0) return false;
    for (Pages& each : kept_) {
      if (each.bytes == 0) continue;
      Permit(each.data, each.bytes);
      (void)munmap(each.data, each.bytes);
      each = {};
    }
    total_ = 0;
    return true;
  }

 private:
  static constexpr size_t kMostBytes = size_t{4} << 20;

  std::mutex mutex_;
  std::array<Pages, 16> kept_ = {};
  size_t total_ = 0;
};

constinit SparePages spare_pages;

// Best effort: an unprivileged process may lock little; `doctor` reports what that costs.
void Lock(void* memory, size_t bytes) {
  if (mlock(memory, bytes) != 0 && spare_pages.GiveBack()) (void)mlock(memory, bytes);
}

}  // namespace

void Wipe(MutableByteSpan bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

// Whole pages for each secret: a lock or a dump exclusion then covers this secret alone, and
// unlocking it can't unlock a neighbour.
SecretBytes::SecretBytes(size_t size) : size_(size) {
  if (size == 0) return;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  CHECK(size <= SIZE_MAX - page);
  mapped_bytes_ = (size + page - 1) / page * page;
  if (const Pages spare = spare_pages.Take(mapped_bytes_); spare.data != nullptr) {
    data_ = spare.data;
    mapped_bytes_ = spare.bytes;
    return;
  }
  void* memory =
      mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  Lock(memory, mapped_bytes_);
  (void)madvise(memory, mapped_bytes_, MADV_DONTDUMP);
  data_ = static_cast<uint8_t*>(memory);
}

SecretBytes SecretBytes::CopyOf(ByteSpan bytes) {
  SecretBytes copy(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.data_);
  return copy;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { Release(); }

void SecretBytes::Release() {
  if (data_ == nullptr) return;
  Wipe({data_, size_});
  if (!spare_pages.Keep({data_, mapped_bytes_})) (void)munmap(data_, mapped_bytes_);
  data_ = nullptr;
  size_ = 0;
  mapped_bytes_ = 0;
}

}  // namespace ephemeralml
