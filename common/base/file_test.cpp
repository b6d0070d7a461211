#include "common/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

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

}  // namespace
}  // namespace ephemeralml
