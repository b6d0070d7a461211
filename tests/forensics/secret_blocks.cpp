#include "tests/forensics/secret_blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "common/base/result.h"

namespace ephemeralml::forensics {
namespace {

constexpr uint8_t kForgotten = 0x80;
constexpr ptrdiff_t kLeastDifferentBytes = 4;

bool HasLowEntropy(uint64_t value) {
  std::array<uint8_t, sizeof value> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  std::ranges::sort(bytes);
  return std::unique(bytes.begin(), bytes.end()) - bytes.begin() < kLeastDifferentBytes;
}

}  // namespace

SecretBlocks::SecretBlocks(size_t most_blocks)
    : filter_(size_t{1} << (64 - kFilterShift)),
      values_(std::bit_ceil(most_blocks + most_blocks / 4)),
      kinds_(values_.size()) {}

size_t SecretBlocks::SlotOf(uint64_t value, uint64_t hash) const {
  const size_t mask = values_.size() - 1;
  size_t slot = hash & mask;
  while (kinds_[slot] != 0 && values_[slot] != value) slot = (slot + 1) & mask;
  return slot;
}

void SecretBlocks::AddBlock(uint64_t value, uint8_t kinds) {
  const uint64_t hash = HashOf(value);
  const size_t slot = SlotOf(value, hash);
  if (kinds_[slot] == kForgotten) return;
  if (kinds_[slot] == 0) {
    CHECK(++size_ < values_.size());
    values_[slot] = value;
    filter_[hash >> kFilterShift] |= uint64_t{1} << (hash >> kBitShift & 63);
  }
  kinds_[slot] |= kinds;
}

size_t SecretBlocks::Add(ByteSpan bytes, uint8_t kinds) {
  size_t left_out = 0;
  for (size_t at = 0; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
    uint64_t value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if (HasLowEntropy(value)) {
      ++left_out;
    } else {
      AddBlock(value, kinds);
    }
  }
  return left_out;
}

void SecretBlocks::AddText(std::string name, ByteSpan bytes) {
  CHECK(bytes.size() >= sizeof(uint64_t));
  uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof value);
  AddBlock(value, kText);
  texts_.push_back({std::move(name), Bytes(bytes.begin(), bytes.end())});
}

void SecretBlocks::Forget(uint64_t value) {
  const size_t slot = SlotOf(value, HashOf(value));
  CHECK(kinds_[slot] != 0);
  if ((kinds_[slot] & kText) != 0) {
    kinds_[slot] = kText;
    return;
  }
  kinds_[slot] = kForgotten;
  --size_;
}

uint8_t SecretBlocks::FindSurely(uint64_t value, uint64_t hash, const uint8_t* at,
                                 const uint8_t* end, const std::string** text) const {
  uint8_t kinds = kinds_[SlotOf(value, hash)] & ~kForgotten;
  if ((kinds & kText) == 0) return kinds;
  kinds &= static_cast<uint8_t>(~kText);
  for (const Text& each : texts_) {
    if (each.bytes.size() > static_cast<size_t>(end - at)) continue;
    if (std::memcmp(each.bytes.data(), at, each.bytes.size()) != 0) continue;
    if (text != nullptr) *text = &each.name;
    return kinds | kText;
  }
  return kinds;
}

}  // namespace ephemeralml::forensics
