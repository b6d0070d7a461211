#include "enclave/init/boot_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace ephemeralml::init {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

std::optional<std::vector<std::string>> Written(const std::string& text) {
  const std::filesystem::path path = testing::TempDir() + "boot_files_test";
  std::ofstream(path) << text;
  auto lines = ReadLines(path.c_str());
  std::filesystem::remove(path);
  return lines;
}

TEST(BootFiles, KeepTheOrderAndTheBlanksOfLines) {
  EXPECT_THAT(SplitLines("/enclave\n--host\nvsock://3:8081\na b \n"),
              Optional(ElementsAre("/enclave", "--host", "vsock://3:8081", "a b ")));
}

TEST(BootFiles, AnEmptyFileHasNoLines) { EXPECT_THAT(SplitLines(""), Optional(IsEmpty())); }

TEST(BootFiles, RefuseWhatIsCutOrEmptyOrBinary) {
  for (const std::string_view text :
       {std::string_view("/enclave"), std::string_view("/enclave\n--ho"), std::string_view("\n"),
        std::string_view("a\n\nb\n"), std::string_view("a\0b\n", 4)}) {
    EXPECT_FALSE(SplitLines(text).has_value()) << text;
  }
}

TEST(BootFiles, AreReadFromFilesWithinALimit) {
  EXPECT_THAT(Written("one\ntwo\n"), Optional(ElementsAre("one", "two")));
  EXPECT_TRUE(Written(std::string(64 * 1024 - 1, 'a') + "\n").has_value());
  EXPECT_FALSE(Written(std::string(64 * 1024, 'a') + "\n").has_value());
  EXPECT_FALSE(ReadLines("/nowhere/at/all").has_value());
}

}  // namespace
}  // namespace ephemeralml::init
