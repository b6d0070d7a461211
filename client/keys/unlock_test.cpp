#include "client/keys/unlock.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/file.h"

namespace ephemeralml::keys {
namespace {

class UnlockTest : public testing::Test {
 protected:
  UnlockTest() {
    std::string name = (std::filesystem::temp_directory_path() / "keys.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~UnlockTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(std::string_view text) {
    const auto path = folder_ / "file";
    CHECK(WriteFileAtomically(path, AsBytes(text), 0600).has_value());
    return path;
  }
  std::string Passphrase(std::string_view file) {
    const auto unlock = Unlock::FromPassphraseFile(Write(file));
    if (!unlock) return "refused: " + std::string(unlock.error().reason);
    return std::string(AsText(unlock->secret().Reveal()));
  }

  std::filesystem::path folder_;
};

TEST_F(UnlockTest, TakesAFilesOnlyLineAsThePassphrase) {
  EXPECT_EQ(Passphrase("correct horse"), "correct horse");
  EXPECT_EQ(Passphrase("correct horse\n"), "correct horse");
  EXPECT_EQ(Passphrase("correct horse\r\n"), "correct horse");
  EXPECT_EQ(Passphrase(" spaces count "), " spaces count ");
}

TEST_F(UnlockTest, RefusesEmptySeveralAndEndlessLines) {
  EXPECT_EQ(Passphrase(""), "refused: passphrase_invalid");
  EXPECT_EQ(Passphrase("\n"), "refused: passphrase_invalid");
  EXPECT_EQ(Passphrase("one\ntwo\n"), "refused: passphrase_invalid");
  EXPECT_EQ(Passphrase(std::string(kLongestPassphraseBytes, 'a') + "\n").size(),
            kLongestPassphraseBytes);
  EXPECT_EQ(Passphrase(std::string(kLongestPassphraseBytes + 1, 'a')),
            "refused: passphrase_invalid");
  EXPECT_EQ(Passphrase(std::string(5000, 'a')), "refused: file_too_large");
  EXPECT_EQ(Unlock::FromPassphraseFile(folder_ / "none").error().reason, "file_not_found");
}

TEST_F(UnlockTest, TakesKeyFilesOf32BytesOnly) {
  EXPECT_EQ(Unlock::FromKeyFile(Write(std::string(32, 'k')))->kind(), Unlock::Kind::kKeyFile);
  EXPECT_EQ(Unlock::FromKeyFile(Write(std::string(31, 'k'))).error().reason, "key_file_invalid");
  EXPECT_EQ(Unlock::FromKeyFile(Write(std::string(33, 'k'))).error().reason, "key_file_invalid");
}

TEST_F(UnlockTest, CreatesPrivateKeyFilesAndNeverReplacesOne) {
  const auto path = folder_ / "key";
  ASSERT_TRUE(CreateKeyFile(path));
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const Bytes first = ReadFile(path, 100).value();
  EXPECT_EQ(CreateKeyFile(path).error().reason, "key_file_exists");
  EXPECT_EQ(ReadFile(path, 100).value(), first);
  ASSERT_TRUE(CreateKeyFile(folder_ / "other"));
  EXPECT_NE(ReadFile(folder_ / "other", 100).value(), first);
  EXPECT_TRUE(Unlock::FromKeyFile(path));
  EXPECT_EQ(CreateKeyFile(folder_ / "no" / "folder").error().reason, "file_unwritable");
}

}  // namespace
}  // namespace ephemeralml::keys
