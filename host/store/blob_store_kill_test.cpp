// An upload that is killed, at every system call that it makes: afterwards the store holds the
// state before or the complete blob, and nothing else.

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "host/store/blob_store.h"

namespace ephemeralml::store {
namespace {

namespace fs = std::filesystem;

constexpr int kMostStops = 20'000;

class KilledUpload : public testing::Test {
 protected:
  KilledUpload() {
    std::string name = (fs::temp_directory_path() / "kill_test.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    for (size_t i = 0; i < content_.size(); ++i)
      content_[i] = static_cast<uint8_t>(i * 7 + i / 256);
  }
  ~KilledUpload() override { fs::remove_all(folder_); }

  std::unique_ptr<BlobStore> Open() {
    return BlobStore::Open(folder_, {.disk_kept_bytes = 0}).value();
  }

  // Uploads in pieces, then tells through `done` that it was told of success.
  void Upload(int done) {
    const auto store = Open();
    const auto writer = store->Write(id_, content_.size()).value();
    for (ByteSpan rest = content_; !rest.empty(); rest = rest.subspan(1000)) {
      CHECK(writer->Append(rest.first(1000)).has_value());
    }
    if (!writer->Commit()) return;
    CHECK(write(done, "!", 1) == 1);
  }

  struct Outcome {
    bool was_killed = false;
    bool was_told_of_success = false;
  };

  // Runs an upload in a child and kills it at its `stop`th entry to or exit from a system call.
  // Nothing if this system lets nobody trace.
  std::optional<Outcome> UploadKilledAt(int stop) {
    std::array<int, 2> done = {};
    CHECK(pipe(done.data()) == 0);
    UniqueFd reading(done[0]);
    UniqueFd writing(done[1]);
    const pid_t child = fork();
    if (child == 0) {
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
      (void)raise(SIGSTOP);
      Upload(writing.Get());
      _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) return std::nullopt;
    Outcome outcome;
    for (int i = 0; i < stop && WIFSTOPPED(status); ++i) {
      CHECK(ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
      CHECK(waitpid(child, &status, 0) == child);
    }
    if (WIFSTOPPED(status)) {
      outcome.was_killed = true;
      CHECK(kill(child, SIGKILL) == 0);
      CHECK(waitpid(child, &status, 0) == child);
    }
    writing.Reset();
    char told = 0;
    outcome.was_told_of_success = read(reading.Get(), &told, 1) == 1;
    return outcome;
  }

  // The blob as the next process finds it; nothing if there is none.
  std::optional<Bytes> FindAfterRestart() {
    const auto store = Open();
    EXPECT_TRUE(fs::is_empty(folder_ / "incoming"));
    const auto reader = store->Read(id_);
    if (!reader) return std::nullopt;
    Bytes found((*reader)->size_bytes());
    CHECK((*reader)->ReadAt(0, found).has_value());
    return found;
  }

  const BlobId id_ = BlobId::Parse("00112233445566778899aabbccddeeff").value();
  fs::path folder_;
  Bytes content_ = Bytes(5000);
};

TEST_F(KilledUpload, LeavesNothingOrAllAtEverySystemCall) {
  int left_nothing = 0;
  int left_all = 0;
  bool was_killed = true;
  for (int stop = 1; was_killed && stop < kMostStops; ++stop) {
    const auto outcome = UploadKilledAt(stop);
    if (!outcome) GTEST_SKIP() << "this system lets nobody trace";
    was_killed = outcome->was_killed;
    const auto found = FindAfterRestart();
    ++(found ? left_all : left_nothing);
    EXPECT_TRUE(found || !outcome->was_told_of_success) << "lost after success, stop " << stop;
    EXPECT_TRUE(!found || *found == content_) << "partial at stop " << stop;
    fs::remove(folder_ / "blobs" / id_.text());
  }
  EXPECT_FALSE(was_killed);
  EXPECT_GT(left_nothing, 20);
  EXPECT_GT(left_all, 2);
}

TEST_F(KilledUpload, NeverTouchesABlobThatWasThere) {
  Bytes old(content_.size(), 42);
  bool was_killed = true;
  for (int stop = 1; was_killed && stop < kMostStops; ++stop) {
    {
      const auto store = Open();
      const auto writer = store->Write(id_, old.size()).value();
      ASSERT_TRUE(writer->Append(old));
      ASSERT_TRUE(writer->Commit());
    }
    const auto outcome = UploadKilledAt(stop);
    if (!outcome) GTEST_SKIP() << "this system lets nobody trace";
    was_killed = outcome->was_killed;
    EXPECT_FALSE(outcome->was_told_of_success);
    EXPECT_EQ(FindAfterRestart(), old);
  }
  EXPECT_FALSE(was_killed);
}

}  // namespace
}  // namespace ephemeralml::store
