#pragma once
// What a search of a process's memory knows by heart: millions of blocks of eight bytes, found at
// any offset in a few nanoseconds each.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::forensics {

/// What a block belongs to. A block of several things counts as each; rows that inputs look up in a
/// table are the request's activations from then on.
/// Expanded weights are floats that are made of what is stored in 16 bits: weights as well.
enum Kind : uint8_t {
  kWeight = 1,
  kActivation = 2,
  kOutput = 4,
  kText = 8,
  kLookedUp = 16,
  kExpanded = 32,
};

/// Blocks of eight bytes, and texts that are told by their first eight. Threads: one that adds,
/// then any that look up.
class SecretBlocks {
 public:
  explicit SecretBlocks(size_t most_blocks);

  /// All blocks of `bytes`, counted from its beginning, but those of low entropy: less than four
  /// different bytes say nothing of where they are from. Returns how many were left out.
  size_t Add(ByteSpan bytes, uint8_t kinds);
  /// At least eight bytes that are looked for together. `name` is for the test's report.
  void AddText(std::string name, ByteSpan bytes);
  bool Knows(uint64_t value) const { return kinds_[SlotOf(value, HashOf(value))] % 0x80 != 0; }
  /// Forgets a block, which is then never found. Texts stay.
  void Forget(uint64_t value);

  /// Different blocks that are known.
  size_t size() const { return size_; }

  /// The kinds of what begins at `at`, or 0; a text's only if all of it is there.
  uint8_t Find(const uint8_t* at, const uint8_t* end, const std::string** text = nullptr) const {
    uint64_t value;
    std::memcpy(&value, at, sizeof value);
    const uint64_t hash = HashOf(value);
    if ((filter_[hash >> kFilterShift] >> (hash >> kBitShift & 63) & 1) == 0) return 0;
    return FindSurely(value, hash, at, end, text);
  }

 private:
  struct Text {
    std::string name;
    Bytes bytes;
  };

  // The filter takes the hash's upper 29 bits: a word by the first 23, a bit by the next six.
  static constexpr int kFilterShift = 64 - 23;
  static constexpr int kBitShift = 64 - 29;

  static uint64_t HashOf(uint64_t value) {
    value ^= value >> 32;
    value *= 0x9E3779B97F4A7C15;
    return value ^ (value >> 29);
  }
  uint8_t FindSurely(uint64_t value, uint64_t hash, const uint8_t* at, const uint8_t* end,
                     const std::string** text) const;
  size_t SlotOf(uint64_t value, uint64_t hash) const;
  void AddBlock(uint64_t value, uint8_t kinds);

  std::vector<uint64_t> filter_;
  std::vector<uint64_t> values_;  // an open hash table; its size is a power of two
  std::vector<uint8_t> kinds_;    // 0: free; of a forgotten block kForgotten
  std::vector<Text> texts_;
  size_t size_ = 0;
};

}  // namespace ephemeralml::forensics
