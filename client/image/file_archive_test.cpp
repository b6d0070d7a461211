#include "client/image/file_archive.h"

#include <gmock/gmock.h>

namespace ephemeralml::image {
namespace {

FileArchive Filled(bool is_reversed) {
  FileArchive archive;
  const std::vector<std::string> paths = {"/b/two", "/a", "/b-c", "/b/one"};
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string& path = paths[is_reversed ? paths.size() - 1 - i : i];
    EXPECT_TRUE(archive.AddFile(path, Bytes(path.begin(), path.end()), path == "/a"));
  }
  return archive;
}

std::string_view ReasonOf(const Done& done) { return done ? "" : done.error().reason; }

TEST(FileArchive, IsTheSameWhateverTheOrderOfAdding) {
  EXPECT_EQ(Filled(false).Pack(), Filled(true).Pack());
  EXPECT_EQ(Filled(false).Pack().size() % 512, 0U);
}

// One entry drawn from the format's description, character by character.
TEST(FileArchive, WritesTheKernelsFormat) {
  FileArchive archive;
  ASSERT_TRUE(archive.AddFile("/init", {'h', 'i'}, true));
  const std::string expected =
      "070701"
      "00000001"  // number
      "000081ED"  // a file, rwxr-xr-x
      "00000000"  // owner
      "00000000"  // group
      "00000001"  // links
      "00000000"  // time
      "00000002"  // size
      "00000000"  // the archive's own device
      "00000000"
      "00000000"  // device
      "00000000"
      "00000005"  // length of the name, its zero included
      "00000000"  // checksum
      "init";
  const Bytes packed = archive.Pack();
  EXPECT_EQ(AsText(ByteSpan(packed).first(expected.size())), expected);
  const std::string after = std::string(2, '\0') + "hi" + std::string(2, '\0') + "070701";
  EXPECT_EQ(AsText(ByteSpan(packed).subspan(expected.size(), after.size())), after);
  EXPECT_NE(AsText(packed).find("TRAILER!!!"), std::string_view::npos);
}

TEST(FileArchive, AddsTheFoldersAboveAFileOnce) {
  FileArchive archive;
  ASSERT_TRUE(archive.AddFolder("/b"));
  ASSERT_TRUE(archive.AddFile("/b/c/d", {}, false));
  ASSERT_TRUE(archive.AddFile("/b/c/e", {}, false));
  const Bytes packed = archive.Pack();
  EXPECT_LT(AsText(packed).find(std::string("b\0", 2)), AsText(packed).find("b/c/d"));
  EXPECT_EQ(AsText(packed).find(std::string("b/c\0", 4)),
            AsText(packed).rfind(std::string("b/c\0", 4)));
}

TEST(FileArchive, RefusesPathsThatAreNotPlain) {
  for (const std::string_view path :
       {"", "/", "a", "//a", "/a/", "/a//b", "/./a", "/a/..", "/../a"}) {
    FileArchive archive;
    EXPECT_EQ(ReasonOf(archive.AddFile(path, {}, false)), "archive_path_invalid") << path;
  }
}

TEST(FileArchive, RefusesAPathTwiceAndAFileForAFolder) {
  FileArchive archive;
  ASSERT_TRUE(archive.AddFile("/a", {}, false));
  EXPECT_EQ(ReasonOf(archive.AddFile("/a", {}, false)), "archive_path_invalid");
  EXPECT_EQ(ReasonOf(archive.AddFile("/a/b", {}, false)), "archive_path_invalid");
  ASSERT_TRUE(archive.AddFolder("/c"));
  ASSERT_TRUE(archive.AddFolder("/c"));
  EXPECT_EQ(ReasonOf(archive.AddFile("/c", {}, false)), "archive_path_invalid");
}

}  // namespace
}  // namespace ephemeralml::image
