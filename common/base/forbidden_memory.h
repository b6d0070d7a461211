#pragma once
// Tells AddressSanitizer which parts of a mapping nobody may use now: it sees the mapping alone.
// Nothing elsewhere.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define EPHEMERAL_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EPHEMERAL_ADDRESS_SANITIZER
#endif
#endif
#ifdef EPHEMERAL_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace ephemeralml {

/// True where using forbidden memory ends the process.
#ifdef EPHEMERAL_ADDRESS_SANITIZER
inline constexpr bool kSeesForbiddenMemory = true;
inline void Forbid(const void* memory, size_t size) { ASAN_POISON_MEMORY_REGION(memory, size); }
inline void Permit(const void* memory, size_t size) { ASAN_UNPOISON_MEMORY_REGION(memory, size); }
#else
inline constexpr bool kSeesForbiddenMemory = false;
inline void Forbid(const void* /*memory*/, size_t /*size*/) {}
inline void Permit(const void* /*memory*/, size_t /*size*/) {}
#endif

}  // namespace ephemeralml
