// An enclave that leaks, once into each kind of memory, for the test that the search sees it. The
// linker puts this in the place of OpenChunks as the panel readers call it (--wrap).

#include <alloca.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "enclave/weights/panel_stream.h"

namespace ephemeralml::forensics {
namespace {

constexpr size_t kLeakedBytes = 256;
// Farther down than a request's end wipes.
constexpr size_t kDeepBytes = size_t{1} << 20;
// Farther than a request fills the arena.
constexpr size_t kFarBytes = size_t{1} << 30;

// Made before the worker is confined.
uint8_t* MapFile() {
  const int file = memfd_create("leaked", MFD_CLOEXEC);
  CHECK(file >= 0 && ftruncate(file, kLeakedBytes) == 0);
  void* mapped = mmap(nullptr, kLeakedBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(mapped != MAP_FAILED && close(file) == 0);
  return static_cast<uint8_t*>(mapped);
}

uint8_t* const mapped_file = MapFile();
std::atomic_flag into_heap, into_stack, into_thread_stack, into_arena, into_file;

void LeakTo(void* target, const uint8_t* plaintext) {
  std::memcpy(target, plaintext, kLeakedBytes);
  asm volatile("" : : "r"(target) : "memory");  // no compiler may take the copy for a dead one
}

[[gnu::noinline]] void LeakIntoStack(const uint8_t* plaintext) {
  LeakTo(alloca(kDeepBytes), plaintext);
}

void Leak(uint8_t* plaintext) {
  const bool is_main = gettid() == getpid();
  if (!into_heap.test_and_set()) return LeakTo(std::malloc(kLeakedBytes), plaintext);
  if (is_main && !into_stack.test_and_set()) return LeakIntoStack(plaintext);
  if (!is_main && !into_thread_stack.test_and_set()) return LeakIntoStack(plaintext);
  if (!into_arena.test_and_set()) return LeakTo(plaintext + kFarBytes, plaintext);
  if (!into_file.test_and_set()) return LeakTo(mapped_file, plaintext);
}

}  // namespace
}  // namespace ephemeralml::forensics

namespace ephemeralml::weights {

// The names that --wrap makes of OpenChunks'.
Done RealOpenChunks(const SealedModel& model, uint64_t first, MutableByteSpan plaintext,
                    Ledger& ledger, Distance distance,
                    ByteSpan upcoming) asm("__real_" EPHEMERAL_OPEN_CHUNKS);
Done WrappedOpenChunks(const SealedModel& model, uint64_t first, MutableByteSpan plaintext,
                       Ledger& ledger, Distance distance,
                       ByteSpan upcoming) asm("__wrap_" EPHEMERAL_OPEN_CHUNKS);

Done WrappedOpenChunks(const SealedModel& model, uint64_t first, MutableByteSpan plaintext,
                       Ledger& ledger, Distance distance, ByteSpan upcoming) {
  TRY_OK(RealOpenChunks(model, first, plaintext, ledger, distance, upcoming));
  forensics::Leak(plaintext.data());
  return {};
}

}  // namespace ephemeralml::weights
