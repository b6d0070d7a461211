#include "common/base/arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/secret_bytes.h"

namespace ephemeralml {
namespace {

constexpr size_t kLimit = 1 << 20;

// Of memory that was given back, which AddressSanitizer forbids to read.
[[gnu::no_sanitize_address]] bool IsZero(const uint8_t* memory, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (memory[i] != 0) return false;
  }
  return true;
}

TEST(Arena, HandsOutZeroedAlignedBlocks) {
  auto arena = Arena::Create(kLimit).value();
  for (int round = 0; round < 3; ++round) {
    ArenaBlock block = arena->Allocate(1000).value();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.bytes().data()) % 64, 0U);
    EXPECT_TRUE(std::ranges::all_of(block.bytes(), [](uint8_t byte) { return byte == 0; }));
    std::ranges::fill(block.bytes(), uint8_t{0xab});
  }
}

TEST(Arena, WipesABlockWhenItIsGivenBack) {
  auto arena = Arena::Create(kLimit).value();
  ArenaBlock block = arena->Allocate(1000).value();
  const uint8_t* memory = block.bytes().data();
  std::ranges::fill(block.bytes(), uint8_t{0xab});
  block = ArenaBlock();
  EXPECT_TRUE(IsZero(memory, 1000));
  EXPECT_EQ(arena->bytes_wiped(), 1000U);
}

// A block full of 0xab, discarded; where it lay.
const uint8_t* Discarded(Arena& arena, size_t size) {
  ArenaBlock block = arena.AllocateToOverwrite(size).value();
  std::ranges::fill(block.bytes(), uint8_t{0xab});
  const uint8_t* memory = block.bytes().data();
  block.Discard();
  EXPECT_TRUE(block.bytes().empty());
  return memory;
}

TEST(Arena, WipesWhatWasDiscardedWhenItIsTold) {
  auto arena = Arena::Create(kLimit).value();
  const ArenaBlock before = arena->Allocate(1000).value();
  const uint8_t* memory = Discarded(*arena, 1000);
  EXPECT_EQ(arena->bytes_in_use(), 1024U);
  EXPECT_FALSE(IsZero(memory, 1000));
  EXPECT_EQ(arena->bytes_wiped(), 0U);
  arena->WipeDiscarded();
  EXPECT_TRUE(IsZero(memory, 1000));
  EXPECT_GE(arena->bytes_wiped(), 1000U);
  const uint64_t wiped = arena->bytes_wiped();
  arena->WipeDiscarded();
  EXPECT_EQ(arena->bytes_wiped(), wiped) << "there was nothing left to wipe";
}

TEST(Arena, WipesDiscardedBlocksOnBothSidesOfOneInUse) {
  auto arena = Arena::Create(kLimit).value();
  ArenaBlock first = arena->Allocate(1000).value();
  ArenaBlock used = arena->Allocate(1000).value();
  std::ranges::fill(first.bytes(), uint8_t{0xab});
  std::ranges::fill(used.bytes(), uint8_t{0xcd});
  const uint8_t* before = first.bytes().data();
  const uint8_t* after = Discarded(*arena, 1000);
  first.Discard();
  size_t calls = 0;
  arena->WipeDiscarded([&](MutableByteSpan bytes) {
    Wipe(bytes);
    ++calls;
  });
  EXPECT_EQ(calls, 2U);
  EXPECT_TRUE(IsZero(before, 1000));
  EXPECT_TRUE(IsZero(after, 1000));
  EXPECT_TRUE(std::ranges::all_of(used.bytes(), [](uint8_t byte) { return byte == 0xcd; }));
}

TEST(Arena, HandsOutZeroesWhereABlockWasDiscarded) {
  auto arena = Arena::Create(kLimit).value();
  const uint8_t* memory = Discarded(*arena, 1000);
  const ArenaBlock again = arena->Allocate(5000).value();
  EXPECT_EQ(again.bytes().data(), memory);
  EXPECT_TRUE(std::ranges::all_of(again.bytes(), [](uint8_t byte) { return byte == 0; }));
}

TEST(Arena, LeavesNothingBetweenTheEndOfABlockAndTheNext) {
  auto arena = Arena::Create(kLimit).value();
  const uint8_t* memory = Discarded(*arena, 1000);
  {
    const ArenaBlock kept = arena->AllocateToOverwrite(20).value();
    EXPECT_EQ(kept.bytes().data(), memory);
    arena->WipeDiscarded();
  }
  EXPECT_TRUE(IsZero(memory, 1000));
}

TEST(Arena, WipesABlockThatWasMadeToOverwriteWhenItIsGivenBack) {
  auto arena = Arena::Create(kLimit).value();
  const uint8_t* memory = Discarded(*arena, 1000);
  { const ArenaBlock again = arena->AllocateToOverwrite(1000).value(); }
  EXPECT_TRUE(IsZero(memory, 1000));
}

TEST(Arena, RefusesMoreThanItsLimit) {
  auto arena = Arena::Create(kLimit).value();
  EXPECT_EQ(arena->Allocate(kLimit + 1).error().reason, "session_memory_exceeded");
  EXPECT_EQ(arena->Allocate(SIZE_MAX).error().reason, "session_memory_exceeded");
  const ArenaBlock most = arena->Allocate(kLimit).value();
  EXPECT_EQ(arena->Allocate(1).error().reason, "session_memory_exceeded");
}

// Source: mincore(2).
size_t ResidentPages(uint8_t* begin, size_t bytes) {
  std::vector<unsigned char> pages(bytes / 4096);
  CHECK(mincore(begin, bytes, pages.data()) == 0);
  return static_cast<size_t>(
      std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
}

TEST(Arena, GivesPagesBackThatNoBlockLiesOn) {
  auto arena = Arena::Create(kLimit).value();
  ArenaBlock first = arena->Allocate(100 * 4096).value();
  ArenaBlock second = arena->Allocate(1000).value();
  ArenaBlock third = arena->Allocate(100 * 4096).value();
  uint8_t* const base = first.bytes().data();
  for (ArenaBlock* block : {&first, &second, &third}) {
    std::ranges::fill(block->bytes(), uint8_t{1});
  }
  arena->GiveBackFreePages();
  EXPECT_GE(ResidentPages(base, kLimit), 200U);
  EXPECT_EQ(third.bytes().back(), 1);
  first = ArenaBlock();
  third = ArenaBlock();
  EXPECT_GE(ResidentPages(base, kLimit), 200U) << "pages stay with the arena by themselves";
  arena->GiveBackFreePages();
  EXPECT_LE(ResidentPages(base, kLimit), 2U);
  EXPECT_TRUE(std::ranges::all_of(second.bytes(), [](uint8_t byte) { return byte == 1; }));
  const ArenaBlock again = arena->Allocate(100 * 4096).value();
  EXPECT_TRUE(std::ranges::all_of(again.bytes(), [](uint8_t byte) { return byte == 0; }));
}

TEST(Arena, JoinsNeighboursAgainInAnyOrder) {
  auto arena = Arena::Create(kLimit).value();
  std::vector<ArenaBlock> blocks;
  for (int i = 0; i < 16; ++i) blocks.push_back(arena->Allocate(kLimit / 16).value());
  for (const size_t i : {3, 1, 2, 15, 0, 7, 5, 6, 4, 14, 8, 10, 9, 12, 13, 11}) {
    blocks[i] = ArenaBlock();
  }
  EXPECT_EQ(arena->bytes_in_use(), 0U);
  EXPECT_TRUE(arena->Allocate(kLimit).has_value());
}

TEST(Arena, TracksItsPeak) {
  auto arena = Arena::Create(kLimit).value();
  { const ArenaBlock block = arena->Allocate(640).value(); }
  EXPECT_EQ(arena->peak_bytes(), 640U);
  arena->ResetPeak();
  EXPECT_EQ(arena->peak_bytes(), 0U);
}

}  // namespace
}  // namespace ephemeralml
