// What opening and wiping weights costs at least on this machine: the rates of BlobCipher::Open
// into a buffer that a cache holds, every tag checked, and of Wipe over such a buffer. The sealed
// chunks come from the second cache, where the engine fetches them while it multiplies, and, at a
// rate of its own, from memory. And what sealing costs, which decomposing can't do without.
//
// Prints one JSON object: GB/s (1e9) of all threads together. usage: floors THREADS

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <limits>
#include <thread>
#include <vector>

#include "common/crypto/blob_cipher.h"
#include "common/crypto/random.h"

namespace ephemeralml {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSecretBytes = 32;
constexpr uint64_t kChunks = 4096;    // 64 MiB a thread
constexpr uint64_t kNearChunks = 16;  // of them, in the second cache
constexpr int kRounds = 7;
constexpr int kWipes = 20'000;
constexpr size_t kBufferBytes = 4 * wire::kChunkBytes;

// One thread's chunks, sealed, and the buffer that they are opened into.
class Work {
 public:
  explicit Work(const crypto::BlobCipher& cipher)
      : cipher_(cipher), sealed_(kChunks * cipher.sealed_chunk_bytes()), buffer_(kBufferBytes) {
    Seal();
  }

  void Seal() {
    for (uint64_t i = 0; i < kChunks; ++i) cipher_.Seal(wire::ChunkIndex(i), Buffer(i), Chunk(i));
  }

  void OpenNear() { Open(kNearChunks, false); }
  void OpenFar() { Open(kChunks, true); }

  void WipeBuffer() {
    for (int i = 0; i < kWipes; ++i) Wipe(buffer_);
  }

 private:
  // As many as there are, of the first `different` ones.
  void Open(uint64_t different, bool fetches) {
    for (uint64_t i = 0; i < kChunks; ++i) {
      const uint64_t index = i % different;
      const size_t ahead = index * cipher_.sealed_chunk_bytes() + crypto::BlobCipher::kFetchedAhead;
      const ByteSpan upcoming = fetches ? ByteSpan(sealed_).subspan(ahead) : ByteSpan();
      CHECK(cipher_.Open(wire::ChunkIndex(index), Chunk(index), Buffer(i), upcoming).has_value());
    }
  }

  MutableByteSpan Buffer(uint64_t index) {
    return MutableByteSpan(buffer_).subspan(
        index % (kBufferBytes / wire::kChunkBytes) * wire::kChunkBytes, wire::kChunkBytes);
  }

  MutableByteSpan Chunk(uint64_t index) {
    return MutableByteSpan(sealed_).subspan(index * cipher_.sealed_chunk_bytes(),
                                            cipher_.sealed_chunk_bytes());
  }

  const crypto::BlobCipher& cipher_;
  Bytes sealed_;
  Bytes buffer_;
};

// Seconds from the first thread's beginning to the last one's end; the least of some rounds.
double Time(std::vector<Work>& works, void (Work::*part)()) {
  double least = std::numeric_limits<double>::max();
  for (int round = 0; round < kRounds; ++round) {
    std::latch ready(static_cast<std::ptrdiff_t>(works.size()));
    std::vector<Clock::time_point> begins(works.size());
    std::vector<Clock::time_point> ends(works.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < works.size(); ++i) {
      threads.emplace_back([&, i] {
        ready.arrive_and_wait();
        begins[i] = Clock::now();
        (works[i].*part)();
        ends[i] = Clock::now();
      });
    }
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> passed = std::ranges::max(ends) - std::ranges::min(begins);
    least = std::min(least, passed.count());
  }
  return least;
}

int Main(size_t threads) {
  const auto cipher = crypto::BlobCipher::Create(crypto::RandomSecret(kSecretBytes), {}, kChunks,
                                                 wire::kChunkBytes);
  CHECK(cipher.has_value());
  std::vector<Work> works;
  works.reserve(threads);
  for (size_t i = 0; i < threads; ++i) works.emplace_back(**cipher);
  const double chunks = static_cast<double>(threads * kChunks * wire::kChunkBytes) / 1e9;
  const double wiped = static_cast<double>(threads * kWipes * kBufferBytes) / 1e9;
  std::printf(
      "{\"threads\": %zu, \"open_gb_per_second\": %.2f, \"open_from_memory_gb_per_second\": %.2f, "
      "\"wipe_gb_per_second\": %.1f, \"seal_gb_per_second\": %.2f}\n",
      threads, chunks / Time(works, &Work::OpenNear), chunks / Time(works, &Work::OpenFar),
      wiped / Time(works, &Work::WipeBuffer), chunks / Time(works, &Work::Seal));
  return 0;
}

}  // namespace
}  // namespace ephemeralml

int main(int argc, char** argv) {
  const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
  if (threads < 1 || threads > CPU_SETSIZE) {
    std::fprintf(stderr, "usage: floors THREADS\n");
    return 2;
  }
  return ephemeralml::Main(static_cast<size_t>(threads));
}
