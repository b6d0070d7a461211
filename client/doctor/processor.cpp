// What the processor has of that which our kernels and ciphers are fast with.

#include <fmt/format.h>

#include <chrono>

#include "client/doctor/doctor.h"
#include "common/crypto/blob_cipher.h"
#include "common/crypto/random.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ephemeralml::doctor {
namespace {

struct Feature {
  std::string_view name;
  bool is_there = false;
  std::string_view costs;  ///< empty if nothing of ours uses it yet
};

#if defined(__x86_64__)

struct Leaf {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
};

Leaf ReadLeaf(unsigned leaf, unsigned subleaf) {
  Leaf found;
  if (__get_cpuid_count(leaf, subleaf, &found.eax, &found.ebx, &found.ecx, &found.edx) == 0) {
    return {};
  }
  return found;
}

bool Bit(unsigned word, unsigned bit) { return (word >> bit & 1U) != 0; }

// Which registers the operating system saves, without which their instructions trap.
uint64_t SavedRegisters(const Leaf& basic) {
  if (!Bit(basic.ecx, 27)) return 0;
  unsigned low = 0;
  unsigned high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Source: Intel SDM volume 2, CPUID; volume 1, §13.3.
std::vector<Feature> Features() {
  constexpr uint64_t kAvxRegisters = 0x6;
  constexpr uint64_t kAvx512Registers = 0xE6;
  constexpr uint64_t kTileRegisters = 0x60000;
  const Leaf basic = ReadLeaf(1, 0);
  const Leaf extended = ReadLeaf(7, 0);
  const Leaf extended1 = ReadLeaf(7, 1);
  const uint64_t saved = SavedRegisters(basic);
  const bool avx = (saved & kAvxRegisters) == kAvxRegisters;
  const bool wide = (saved & kAvx512Registers) == kAvx512Registers;
  const bool tiles = (saved & kTileRegisters) == kTileRegisters;
  const bool avx512 = wide && Bit(extended.ebx, 16) && Bit(extended.ebx, 17) &&
                      Bit(extended.ebx, 30) && Bit(extended.ebx, 31);
  return {
      {"aes", Bit(basic.ecx, 25) && Bit(basic.ecx, 1), "AES runs in software, many times slower"},
      {"avx2", avx && Bit(extended.ebx, 5) && Bit(basic.ecx, 12),
       "products, activations and ciphers run on registers of 128 bits"},
      {"vaes", avx && Bit(extended.ecx, 9) && Bit(extended.ecx, 10),
       "opening weights takes about two to three times as long"},
      {"avx512", avx512, "products and activations run on registers of 256 bits"},
      {"avx512_vnni", wide && Bit(extended.ecx, 11), ""},
      {"avx512_bf16", wide && Bit(extended1.eax, 5), ""},
      {"amx_bf16", tiles && Bit(extended.edx, 22) && Bit(extended.edx, 24), ""},
  };
}

#else

std::vector<Feature> Features() { return {}; }

#endif

// Bytes a second that one thread opens, over a tenth of a second; 0 if sealing itself fails.
int64_t OpenedBytesPerSecond() {
  using Clock = std::chrono::steady_clock;
  constexpr auto kTime = std::chrono::milliseconds(100);
  const auto cipher =
      crypto::BlobCipher::Create(crypto::RandomSecret(32), {}, 1, wire::kChunkBytes);
  if (!cipher) return 0;
  Bytes plaintext(wire::kChunkBytes);
  Bytes sealed((*cipher)->sealed_chunk_bytes());
  (*cipher)->Seal(wire::ChunkIndex(0), plaintext, sealed);
  const Clock::time_point start = Clock::now();
  int64_t bytes = 0;
  while (Clock::now() - start < kTime) {
    if (!(*cipher)->Open(wire::ChunkIndex(0), sealed, plaintext)) return 0;
    bytes += wire::kChunkBytes;
  }
  const std::chrono::duration<double> took = Clock::now() - start;
  return static_cast<int64_t>(static_cast<double>(bytes) / took.count());
}

}  // namespace

Check CheckProcessor() {
  Check check{.name = "processor"};
  std::string present;
  std::string absent;
  for (const Feature& feature : Features()) {
    check.facts.push_back({std::string(feature.name), feature.is_there});
    std::string& list = feature.is_there ? present : absent;
    list += (list.empty() ? "" : ", ") + std::string(feature.name);
    if (feature.is_there || feature.costs.empty()) continue;
    check.verdict = Verdict::kSlower;
    check.costs +=
        fmt::format("{}{}: {}", check.costs.empty() ? "" : "; ", feature.name, feature.costs);
  }
  const int64_t speed = OpenedBytesPerSecond();
  check.facts.push_back({"opened_bytes_per_second", speed});
  check.found =
      fmt::format("has {}{}{}; one thread opens {:.1f} GB of weights a second",
                  present.empty() ? "none of what is looked for" : present,
                  absent.empty() ? "" : ", lacks ", absent, static_cast<double>(speed) / 1e9);
  if (speed == 0) {
    check.verdict = Verdict::kUnfit;
    check.costs = "what was sealed doesn't open: don't use this machine";
  }
  if (check.verdict != Verdict::kOk)
    check.remedy = "another machine, or a virtual one that shows more";
  return check;
}

}  // namespace ephemeralml::doctor
