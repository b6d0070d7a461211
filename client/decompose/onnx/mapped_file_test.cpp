#include "client/decompose/onnx/mapped_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "common/base/file.h"

namespace ephemeralml::onnx {
namespace {

TEST(MappedFile, ShowsTheFileAndForgetsWithoutHarm) {
  std::string folder = (std::filesystem::temp_directory_path() / "map.XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto path = std::filesystem::path(folder) / "file";
  Bytes contents(50'000);
  for (size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<uint8_t>(i * 31);
  ASSERT_TRUE(WriteFileAtomically(path, contents, 0600));
  {
    const MappedFile file = MappedFile::Open(path).value();
    ASSERT_TRUE(std::ranges::equal(file.bytes(), contents));
    file.Forget(file.bytes());
    file.Forget(file.bytes().subspan(1, 10'000));
    file.Forget(contents);  // not of this file
    EXPECT_TRUE(std::ranges::equal(file.bytes(), contents));
  }
  EXPECT_EQ(MappedFile::Open(folder).error().reason, "file_unreadable");
  EXPECT_EQ(MappedFile::Open(path.string() + "x").error().reason, "file_not_found");
  ASSERT_TRUE(WriteFileAtomically(path, {}, 0600));
  EXPECT_TRUE(MappedFile::Open(path)->bytes().empty());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ephemeralml::onnx
