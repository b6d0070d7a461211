#include "common/base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <thread>

namespace ephemeralml {
namespace {

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "file_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(File, RoundTripsAndSetsTheMode) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("first"), 0600));
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("second"), 0600));
  EXPECT_EQ(AsText(ReadFile(path, 100).value()), "second");
  const SecretBytes secret = ReadSecretFile(path, 100).value();
  EXPECT_EQ(AsText(secret.Reveal()), "second");
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(File, LeavesNoTemporaryFileBehind) {
  ASSERT_TRUE(WriteFileAtomically(folder_ / "a", AsBytes("x"), 0600));
  std::filesystem::create_directory(folder_ / "taken");
  EXPECT_FALSE(WriteFileAtomically(folder_ / "taken", AsBytes("x"), 0600));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(File, SaysWhyItCantRead) {
  EXPECT_EQ(ReadFile(folder_ / "absent", 10).error().reason, "file_not_found");
  ASSERT_TRUE(WriteFileAtomically(folder_ / "a", AsBytes("12345"), 0600));
  EXPECT_EQ(ReadFile(folder_ / "a", 4).error().reason, "file_too_large");
}

// A pipe, named as a shell's process substitution names it, and a writer that takes its time.
class Pipe {
 public:
  explicit Pipe(std::string contents) {
    std::array<int, 2> ends = {};
    CHECK(pipe(ends.data()) == 0);
    reading_ = UniqueFd(ends[0]);
    writer_ = std::thread([fd = UniqueFd(ends[1]), contents = std::move(contents)] {
      for (size_t at = 0; at < contents.size(); at += 1000) {
        if (!WriteAll(fd.Get(), AsBytes(contents).subspan(at).first(
                                    std::min<size_t>(1000, contents.size() - at)))) {
          return;
        }
      }
    });
  }
  ~Pipe() {
    reading_.Reset();
    writer_.join();
  }
  std::filesystem::path path() const { return "/dev/fd/" + std::to_string(reading_.Get()); }

 private:
  UniqueFd reading_;
  std::thread writer_;
};

TEST_F(File, ReadsAPipeToItsEnd) {
  (void)signal(SIGPIPE, SIG_IGN);
  for (const size_t size : {0U, 1U, 999U, 4095U, 4096U, 4097U, 50'000U}) {
    std::string contents(size, 'a');
    for (size_t i = 0; i < size; ++i) contents[i] = static_cast<char>('a' + i % 26);
    EXPECT_EQ(AsText(ReadFile(Pipe(contents).path(), 50'000).value()), contents) << size;
    const SecretBytes secret = ReadSecretFile(Pipe(contents).path(), 50'000).value();
    EXPECT_EQ(AsText(secret.Reveal()), contents) << size;
    EXPECT_EQ(ReadFile(Pipe(contents).path(), size).value().size(), size);
    if (size == 0) continue;
    EXPECT_EQ(ReadFile(Pipe(contents).path(), size - 1).error().reason, "file_too_large") << size;
    EXPECT_EQ(ReadSecretFile(Pipe(contents).path(), size - 1).error().reason, "file_too_large");
  }
}

TEST_F(File, ReadsWhatHasNoSize) {
  EXPECT_TRUE(AsText(ReadFile("/proc/self/status", 1 << 20).value()).starts_with("Name:"));
  EXPECT_EQ(ReadFile(folder_, 1 << 20).error().reason, "file_unreadable");
}

}  // namespace
}  // namespace ephemeralml
