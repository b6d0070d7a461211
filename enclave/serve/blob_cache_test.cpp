#include "enclave/serve/blob_cache.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ephemeralml::serve {
namespace {

FetchOrder Order(uint8_t name, uint64_t bytes) {
  FetchOrder order;
  order.id[0] = name;
  order.sealed_bytes = bytes;
  return order;
}

UniqueFd MemoryFile(uint64_t bytes) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK(WriteAll(fd.Get(), Bytes(bytes, 7)).has_value());
  return fd;
}

TEST(BlobCache, FindsWhatWasInserted) {
  BlobCache cache(100);
  EXPECT_EQ(cache.Find(Order(1, 10)), -1);
  const int fd = cache.Insert(Order(1, 10), MemoryFile(10)).value();
  EXPECT_EQ(cache.Find(Order(1, 10)), fd);
  EXPECT_EQ(cache.Find(Order(1, 11)), -1);
  EXPECT_EQ(cache.Find(Order(2, 10)), -1);
}

TEST(BlobCache, SealsAgainstEveryChange) {
  BlobCache cache(100);
  UniqueFd memory = MemoryFile(10);
  const UniqueFd fetcher_side(dup(memory.Get()));
  ASSERT_TRUE(cache.Insert(Order(1, 10), std::move(memory)));
  EXPECT_EQ(pwrite(fetcher_side.Get(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(fetcher_side.Get(), 5), -1);
  EXPECT_EQ(mmap(nullptr, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fetcher_side.Get(), 0),
            MAP_FAILED);
}

TEST(BlobCache, RefusesAnotherLengthThanOrdered) {
  BlobCache cache(100);
  EXPECT_EQ(cache.Insert(Order(1, 11), MemoryFile(10)).error().reason, "blob_incomplete");
  EXPECT_EQ(cache.Insert(Order(1, 101), MemoryFile(101)).error().reason, "blob_too_large");
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(BlobCache, RefusesWhatItCantSeal) {
  BlobCache cache(100);
  UniqueFd memory = MemoryFile(10);
  void* writable = mmap(nullptr, 10, PROT_READ | PROT_WRITE, MAP_SHARED, memory.Get(), 0);
  ASSERT_NE(writable, MAP_FAILED);
  EXPECT_EQ(cache.Insert(Order(1, 10), std::move(memory)).error().reason, "blob_incomplete");
  munmap(writable, 10);
}

TEST(BlobCache, DropsTheLeastRecentlyUsed) {
  BlobCache cache(30);
  for (const uint8_t name : {uint8_t{1}, uint8_t{2}, uint8_t{3}})
    ASSERT_TRUE(cache.Insert(Order(name, 10), MemoryFile(10)));
  EXPECT_NE(cache.Find(Order(1, 10)), -1);
  ASSERT_TRUE(cache.Insert(Order(4, 10), MemoryFile(10)));
  EXPECT_EQ(cache.Find(Order(2, 10)), -1);
  EXPECT_NE(cache.Find(Order(1, 10)), -1);
  EXPECT_EQ(cache.bytes(), 30U);
}

TEST(BlobCache, ForgetsABlobThatFailed) {
  BlobCache cache(30);
  ASSERT_TRUE(cache.Insert(Order(1, 10), MemoryFile(10)));
  cache.Drop(Order(1, 10).id);
  EXPECT_EQ(cache.Find(Order(1, 10)), -1);
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace ephemeralml::serve
