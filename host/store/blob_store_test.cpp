#include "host/store/blob_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace ephemeralml::store {
namespace {

namespace fs = std::filesystem;

Bytes RandomBytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  std::ranges::generate(bytes, [&random] { return static_cast<uint8_t>(random()); });
  return bytes;
}

class Store : public testing::Test {
 protected:
  Store() {
    std::string name = (fs::temp_directory_path() / "store_test.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    Reopen({.disk_kept_bytes = 0});
  }
  ~Store() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  void Reopen(StoreLimits limits) {
    store_.reset();
    store_ = BlobStore::Open(folder_ / "state", limits).value();
  }
  Result<BlobWriter::Stored> Put(const BlobId& id, ByteSpan content) {
    TRY(const auto writer, store_->Write(id, content.size()));
    TRY_OK(writer->Append(content));
    return writer->Commit();
  }
  Bytes Get(const BlobId& id) {
    const auto reader = store_->Read(id).value();
    Bytes content(reader->size_bytes());
    CHECK(reader->ReadAt(0, content).has_value());
    return content;
  }
  std::string ReasonOfReading(const BlobId& id) {
    return std::string(store_->Read(id).error().reason);
  }
  ptrdiff_t CountIncoming() {
    return std::distance(fs::directory_iterator(folder_ / "state" / "incoming"), {});
  }

  const BlobId id_ = BlobId::Parse("00112233445566778899aabbccddeeff").value();
  const BlobId other_id_ = BlobId::Parse("ff112233445566778899aabbccddeeff").value();
  fs::path folder_;
  std::unique_ptr<BlobStore> store_;
};

TEST_F(Store, GivesBackWhatWasPut) {
  const Bytes content = RandomBytes(200'000, 1);
  EXPECT_EQ(Put(id_, content).value(), BlobWriter::Stored::kNew);
  EXPECT_EQ(Get(id_), content);
  EXPECT_EQ(CountIncoming(), 0);
}

TEST_F(Store, ReadsAnyRange) {
  const Bytes content = RandomBytes(1000, 2);
  ASSERT_TRUE(Put(id_, content));
  const auto reader = store_->Read(id_).value();
  for (const auto& [offset, count] : std::vector<std::pair<size_t, size_t>>{
           {0, 0}, {0, 1}, {999, 1}, {1000, 0}, {17, 500}, {0, 1000}}) {
    Bytes piece(count);
    ASSERT_TRUE(reader->ReadAt(offset, piece));
    EXPECT_TRUE(std::ranges::equal(piece, ByteSpan(content).subspan(offset, count)));
  }
}

TEST_F(Store, HoldsAnEmptyBlob) {
  EXPECT_TRUE(Put(id_, {}));
  EXPECT_TRUE(Get(id_).empty());
}

TEST_F(Store, ShowsNothingBeforeTheCommit) {
  const Bytes content = RandomBytes(1000, 3);
  const auto writer = store_->Write(id_, content.size()).value();
  EXPECT_EQ(ReasonOfReading(id_), "blob_not_found");
  ASSERT_TRUE(writer->Append(content));
  EXPECT_EQ(ReasonOfReading(id_), "blob_not_found");
  ASSERT_TRUE(writer->Commit());
  EXPECT_EQ(Get(id_), content);
}

TEST_F(Store, ForgetsAnUploadThatIsGivenUp) {
  const Bytes content = RandomBytes(1000, 4);
  auto writer = store_->Write(id_, content.size()).value();
  ASSERT_TRUE(writer->Append(ByteSpan(content).first(999)));
  EXPECT_EQ(CountIncoming(), 1);
  writer.reset();
  EXPECT_EQ(CountIncoming(), 0);
  EXPECT_EQ(ReasonOfReading(id_), "blob_not_found");
}

TEST_F(Store, TakesTheSameContentTwice) {
  const Bytes content = RandomBytes(150'000, 5);
  ASSERT_TRUE(Put(id_, content));
  EXPECT_EQ(Put(id_, content).value(), BlobWriter::Stored::kAlreadyThere);
  EXPECT_EQ(Get(id_), content);
  EXPECT_EQ(CountIncoming(), 0);
}

TEST_F(Store, RefusesOtherContentUnderATakenId) {
  const Bytes content = RandomBytes(150'000, 6);
  ASSERT_TRUE(Put(id_, content));
  for (const size_t place : {size_t{0}, size_t{65'536}, content.size() - 1}) {
    Bytes altered = content;
    altered[place] ^= 1;
    EXPECT_EQ(Put(id_, altered).error().reason, "blob_conflict");
  }
  EXPECT_EQ(Get(id_), content);
  EXPECT_EQ(CountIncoming(), 0);
}

TEST_F(Store, RefusesAnotherSizeUnderATakenIdAtOnce) {
  ASSERT_TRUE(Put(id_, RandomBytes(10, 7)));
  EXPECT_EQ(store_->Write(id_, 9).error().reason, "blob_conflict");
  EXPECT_EQ(store_->Write(id_, 11).error().reason, "blob_conflict");
}

TEST_F(Store, KeepsOneOfManyConcurrentUploadsOfOneId) {
  constexpr int kThreads = 8;
  for (unsigned round = 0; round < 20; ++round) {
    std::atomic<int> won = 0;
    std::atomic<int> equal = 0;
    std::atomic<int> lost = 0;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        const auto stored = Put(id_, RandomBytes(5000, round * 2 + thread % 2));
        if (!stored) {
          EXPECT_EQ(stored.error().reason, "blob_conflict");
          ++lost;
        } else {
          ++(*stored == BlobWriter::Stored::kNew ? won : equal);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(equal, kThreads / 2 - 1);
    EXPECT_EQ(lost, kThreads / 2);
    EXPECT_EQ(CountIncoming(), 0);
    ASSERT_TRUE(store_->Remove(id_));
  }
}

TEST_F(Store, RemovesABlobButNotFromUnderItsReader) {
  const Bytes content = RandomBytes(1000, 8);
  ASSERT_TRUE(Put(id_, content));
  const auto reader = store_->Read(id_).value();
  EXPECT_TRUE(store_->Remove(id_));
  EXPECT_EQ(ReasonOfReading(id_), "blob_not_found");
  EXPECT_EQ(store_->Remove(id_).error().reason, "blob_not_found");
  Bytes read(1000);
  ASSERT_TRUE(reader->ReadAt(0, read));
  EXPECT_EQ(read, content);
}

TEST_F(Store, TakesOtherContentAfterARemoval) {
  ASSERT_TRUE(Put(id_, RandomBytes(1000, 9)));
  ASSERT_TRUE(store_->Remove(id_));
  EXPECT_EQ(Put(id_, RandomBytes(1000, 10)).value(), BlobWriter::Stored::kNew);
}

TEST_F(Store, RefusesBlobsOverTheLimit) {
  Reopen({.blob_bytes = 100, .disk_kept_bytes = 0});
  EXPECT_TRUE(Put(id_, RandomBytes(100, 11)));
  EXPECT_EQ(store_->Write(other_id_, 101).error().reason, "blob_too_large");
  EXPECT_EQ(store_->Write(other_id_, UINT64_MAX).error().reason, "blob_too_large");
}

TEST_F(Store, KeepsDiskSpaceFree) {
  struct statvfs status = {};
  ASSERT_EQ(statvfs(folder_.c_str(), &status), 0);
  const uint64_t free_bytes = uint64_t{status.f_bavail} * status.f_frsize;
  Reopen({.blob_bytes = UINT64_MAX, .disk_kept_bytes = UINT64_MAX});
  EXPECT_EQ(store_->Write(id_, 1).error().reason, "disk_full");
  Reopen({.blob_bytes = UINT64_MAX, .disk_kept_bytes = 0});
  EXPECT_EQ(store_->Write(id_, UINT64_MAX).error().reason, "disk_full");
  EXPECT_EQ(store_->Write(id_, free_bytes * 2).error().reason, "disk_full");
}

TEST_F(Store, CountsWhatUploadsUnderWayMayStillWrite) {
  struct statvfs status = {};
  ASSERT_EQ(statvfs(folder_.c_str(), &status), 0);
  const uint64_t most = uint64_t{status.f_bavail} * status.f_frsize / 3 * 2;
  Reopen({.blob_bytes = UINT64_MAX, .disk_kept_bytes = 0});
  auto first = store_->Write(id_, most).value();
  EXPECT_EQ(store_->Write(other_id_, most).error().reason, "disk_full");
  first.reset();
  EXPECT_TRUE(store_->Write(other_id_, most));
}

TEST_F(Store, RemovesLeftoversAndKeepsBlobsWhenOpened) {
  const Bytes content = RandomBytes(1000, 12);
  ASSERT_TRUE(Put(id_, content));
  std::ofstream(folder_ / "state" / "incoming" / "7") << "half a blob";
  Reopen({.disk_kept_bytes = 0});
  EXPECT_EQ(CountIncoming(), 0);
  EXPECT_EQ(Get(id_), content);
}

TEST_F(Store, IsHeldByOneProcessAtATime) {
  EXPECT_EQ(BlobStore::Open(folder_ / "state", {}).error().reason, "store_in_use");
  store_.reset();
  EXPECT_TRUE(BlobStore::Open(folder_ / "state", {}));
}

TEST_F(Store, IsPrivateToItsUser) {
  ASSERT_TRUE(Put(id_, RandomBytes(10, 13)));
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    EXPECT_EQ(entry.status().permissions() & (fs::perms::group_all | fs::perms::others_all),
              fs::perms::none)
        << entry.path();
  }
}

TEST_F(Store, RefusesAFolderThatIsNone) {
  std::ofstream(folder_ / "file") << "";
  EXPECT_EQ(BlobStore::Open(folder_ / "file", {}).error().reason, "store_unusable");
  EXPECT_EQ(BlobStore::Open(folder_ / "file" / "state", {}).error().reason, "store_unusable");
  EXPECT_EQ(BlobStore::Open("/proc/none", {}).error().reason, "store_unusable");
}

TEST_F(Store, ReportsABlobThatWasCutShort) {
  ASSERT_TRUE(Put(id_, RandomBytes(1000, 14)));
  const auto reader = store_->Read(id_).value();
  fs::resize_file(folder_ / "state" / "blobs" / id_.text(), 500);
  Bytes read(1000);
  EXPECT_EQ(reader->ReadAt(0, read).error().reason, "blob_unreadable");
}

}  // namespace
}  // namespace ephemeralml::store
