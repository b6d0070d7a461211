#include "enclave/serve/heap.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <vector>

#include "common/base/forbidden_memory.h"

namespace ephemeralml::serve {
namespace {

constexpr size_t kMebibyte = size_t{1} << 20;

// Bytes that the heap holds, used or free, mapped blocks apart.
size_t HeapBytes() { return mallinfo2().arena; }

// Blocks of `bytes` that stay, each after one that goes, so that the heap's end can't shrink.
void LeaveGaps(size_t gaps, size_t bytes, std::vector<std::vector<char>>& kept) {
  std::vector<std::vector<char>> gone;
  for (size_t i = 0; i < gaps; ++i) {
    gone.emplace_back(bytes, 'x');
    kept.emplace_back(size_t{4096}, 'x');
  }
}

class Heap : public testing::Test {
 protected:
  void SetUp() override {
    if (kSeesForbiddenMemory) GTEST_SKIP() << "the sanitizer has an allocator of its own";
    ConfigureHeap();
  }
};

TEST_F(Heap, KeepsAMessageOfAFewMebibytesForTheNext) {
  { const std::vector<char> message(3 * kMebibyte, 'x'); }
  const size_t before = HeapBytes();
  EXPECT_GE(before, 3 * kMebibyte);
  { const std::vector<char> message(3 * kMebibyte, 'x'); }
  ReturnFreeHeap();
  EXPECT_EQ(HeapBytes(), before);
  EXPECT_GE(mallinfo2().fordblks, 3 * kMebibyte);
}

TEST_F(Heap, GivesBackWhatGapsHold) {
  std::vector<std::vector<char>> kept;
  LeaveGaps(20, kMebibyte, kept);
  ASSERT_GE(mallinfo2().fordblks, 16 * kMebibyte);
  // What trimming releases inside the heap stays in its count: the kernel's knows.
  const auto resident_pages = [] {
    size_t all = 0;
    size_t resident = 0;
    std::FILE* const file = std::fopen("/proc/self/statm", "r");
    EXPECT_EQ(fscanf(file, "%zu %zu", &all, &resident), 2);
    fclose(file);
    return resident;
  };
  const size_t before = resident_pages();
  ReturnFreeHeap();
  EXPECT_LT(resident_pages() + 15 * kMebibyte / 4096, before);
}

}  // namespace
}  // namespace ephemeralml::serve
