#include "client/decompose/onnx/external_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "common/base/file.h"

namespace ephemeralml::onnx {
namespace {

class ExternalFilesTest : public testing::Test {
 protected:
  ExternalFilesTest() {
    std::string name = (std::filesystem::temp_directory_path() / "external.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    top_ = name;
    folder_ = top_ / "model";
    std::filesystem::create_directories(folder_ / "sub");
    Write(folder_ / "weights.bin", "0123456789");
    Write(folder_ / "sub" / "more.bin", "abcdef");
    Write(top_ / "outside.bin", "secret");
  }
  ~ExternalFilesTest() override { std::filesystem::remove_all(top_); }

  static void Write(const std::filesystem::path& path, std::string_view text) {
    CHECK(WriteFileAtomically(path, AsBytes(text), 0600).has_value());
  }
  std::string View(std::vector<Tensor::ExternalEntry> entries, size_t byte_count) {
    Tensor tensor;
    tensor.external_data = std::move(entries);
    ExternalFiles files(folder_);
    const auto view = files.View(tensor, byte_count);
    return view ? std::string(AsText(*view)) : std::string(view.error().reason);
  }
  std::string ViewAt(std::string_view location) { return View({{"location", location}}, 4); }

  std::filesystem::path top_;
  std::filesystem::path folder_;
};

TEST_F(ExternalFilesTest, ShowsWhatTheModelNames) {
  EXPECT_EQ(ViewAt("weights.bin"), "0123");
  EXPECT_EQ(ViewAt("sub/more.bin"), "abcd");
  EXPECT_EQ(ViewAt("./weights.bin"), "0123");
  EXPECT_EQ(View({{"location", "weights.bin"}, {"offset", "6"}, {"length", "4"}}, 4), "6789");
  EXPECT_EQ(View({{"location", "weights.bin"}, {"checksum", "ignored"}}, 10), "0123456789");
}

TEST_F(ExternalFilesTest, NeverLeavesTheModelsFolder) {
  std::filesystem::create_symlink(top_ / "outside.bin", folder_ / "link.bin");
  std::filesystem::create_symlink(top_, folder_ / "up");
  for (const std::string& location :
       {std::string("../outside.bin"), (top_ / "outside.bin").string(), std::string("link.bin"),
        std::string("up/outside.bin"), std::string("sub/../../outside.bin"), std::string("sub/.."),
        std::string(), std::string("weights.bin\0x", 13)}) {
    EXPECT_EQ(ViewAt(location), "external_data_invalid") << location;
  }
}

TEST_F(ExternalFilesTest, FollowsLinksThatStayInside) {
  std::filesystem::create_symlink("weights.bin", folder_ / "alias.bin");
  EXPECT_EQ(ViewAt("alias.bin"), "0123");
}

TEST_F(ExternalFilesTest, RefusesAPlaceThatTheFileDoesntHave) {
  const auto at = [&](std::string_view offset, std::string_view length, size_t byte_count) {
    return View({{"location", "weights.bin"}, {"offset", offset}, {"length", length}}, byte_count);
  };
  EXPECT_EQ(at("0", "10", 10), "0123456789");
  EXPECT_EQ(at("10", "0", 0), "");
  EXPECT_EQ(at("7", "4", 4), "external_data_invalid");
  EXPECT_EQ(at("11", "0", 0), "external_data_invalid");
  EXPECT_EQ(at("0", "5", 4), "external_data_invalid");
  EXPECT_EQ(at("18446744073709551615", "4", 4), "external_data_invalid");
  EXPECT_EQ(at("18446744073709551616", "4", 4), "external_data_invalid");
  EXPECT_EQ(at("-1", "4", 4), "external_data_invalid");
  EXPECT_EQ(at("1x", "4", 4), "external_data_invalid");
  EXPECT_EQ(at("", "4", 4), "external_data_invalid");
  EXPECT_EQ(ViewAt("none.bin"), "file_not_found");
  EXPECT_EQ(ViewAt("sub"), "file_unreadable");
}

}  // namespace
}  // namespace ephemeralml::onnx
