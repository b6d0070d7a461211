#include "enclave/serve/heap.h"

#include <malloc.h>

#include <cstddef>

namespace ephemeralml::serve {
namespace {

constexpr size_t kMayStayFree = size_t{8} << 20;
// Blocks from this size on are mapped, and unmapped as soon as they are free.
constexpr int kMappedBytes = 4 << 20;

}  // namespace

void ConfigureHeap() {
  (void)mallopt(M_ARENA_MAX, 1);
  (void)mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  (void)mallopt(M_TRIM_THRESHOLD, static_cast<int>(kMayStayFree));
}

void ReturnFreeHeap() {
  if (mallinfo2().fordblks > kMayStayFree) (void)malloc_trim(0);
}

}  // namespace ephemeralml::serve
