// In the enclave every block that goes back to the heap is wiped first, whoever allocated it:
// libraries keep strings and parsed messages on the heap, and none of them wipes. Linked into the
// enclave's binary alone; the dynamic linker gives these definitions to every library in the
// process. `operator delete` reaches `free` through libstdc++.
//
// Not in sanitized builds: they replace the allocator themselves.

#ifndef EPHEMERAL_SANITIZED

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include <algorithm>
#include <cstddef>

// glibc's own entry points under the names that it keeps for allocators that stand in front of it.
extern "C" void* __libc_malloc(size_t size);
extern "C" void __libc_free(void* block);

extern "C" __attribute__((visibility("default"))) void free(void* block) {
  if (block == nullptr) return;
  const int saved_errno = errno;  // POSIX.1-2024: free keeps errno
  explicit_bzero(block, malloc_usable_size(block));
  __libc_free(block);
  errno = saved_errno;
}

extern "C" __attribute__((visibility("default"))) void* realloc(void* block, size_t size) {
  if (block == nullptr) return __libc_malloc(size);
  if (size == 0) {
    free(block);
    return nullptr;
  }
  const size_t usable = malloc_usable_size(block);
  if (size <= usable && size >= usable / 2) return block;
  void* moved = __libc_malloc(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, std::min(size, usable));
  free(block);
  return moved;
}

#endif
