#include "enclave/serve/blob_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "common/base/log.h"

namespace ephemeralml::serve {

int BlobCache::Find(const FetchOrder& order) {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.order.id == order.id && entry.order.sealed_bytes == order.sealed_bytes;
  });
  if (found == entries_.end()) return -1;
  entries_.splice(entries_.begin(), entries_, found);
  return found->memory.Get();
}

Result<int> BlobCache::Insert(const FetchOrder& order, UniqueFd memory) {
  if (order.sealed_bytes > limit_bytes_) return ToError(FetchOutcome::kTooLarge);
  // Sealed first, measured after: nobody can change the length in between.
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  struct stat status = {};
  if (fcntl(memory.Get(), F_ADD_SEALS, kSeals) != 0 || fstat(memory.Get(), &status) != 0 ||
      static_cast<uint64_t>(status.st_size) != order.sealed_bytes) {
    return ToError(FetchOutcome::kIncomplete);
  }
  Drop(order.id);
  while (bytes_ + order.sealed_bytes > limit_bytes_) {
    log::Info("blob_evicted", {{"bytes", entries_.back().order.sealed_bytes}});
    bytes_ -= entries_.back().order.sealed_bytes;
    entries_.pop_back();
    ++evicted_;
  }
  bytes_ += order.sealed_bytes;
  entries_.push_front({order, std::move(memory)});
  return entries_.front().memory.Get();
}

void BlobCache::Drop(const wire::BlobId& id) {
  entries_.remove_if([&](const Entry& entry) {
    if (entry.order.id != id) return false;
    bytes_ -= entry.order.sealed_bytes;
    return true;
  });
}

}  // namespace ephemeralml::serve
