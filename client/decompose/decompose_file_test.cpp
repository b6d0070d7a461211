#include <gtest/gtest.h>
#include <stdlib.h>

#include "client/decompose/decompose.h"
#include "client/decompose/testing/models.h"
#include "common/base/file.h"

namespace ephemeralml::decompose {
namespace {

using namespace ephemeralml::decompose::testing;

class DecomposeFileTest : public ::testing::Test {
 protected:
  DecomposeFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "decompose.XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    std::filesystem::create_directory(folder_ / "out");
  }
  ~DecomposeFileTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Model(ByteSpan contents) {
    const auto path = folder_ / "model.onnx";
    CHECK(WriteFileAtomically(path, contents, 0600).has_value());
    return path;
  }
  std::filesystem::path blob() const { return folder_ / "out" / "model.blob"; }
  size_t FilesWritten() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(folder_ / "out")) {
      ++count;
    }
    return count;
  }

  std::filesystem::path folder_;
};

ModelBuilder& WithScale(ModelBuilder& builder, const char* op = "Mul") {
  builder.Input("x", {2}).Output("y", {2});
  builder.Node(op, {"x", "w"}, {"y"});
  return builder;
}

TEST_F(DecomposeFileTest, WritesTheBlobAndNothingElse) {
  ModelBuilder builder;
  WithScale(builder).Floats("w", {2}, {1, 2});
  uint64_t done = 0;
  uint64_t all = 0;
  const auto report = Decompose(Model(builder.Serialize()), blob(), [&](uint64_t d, uint64_t a) {
    done = d;
    all = a;
  });
  ASSERT_TRUE(report);
  EXPECT_EQ(std::filesystem::file_size(blob()), report->blob_bytes);
  EXPECT_EQ(FilesWritten(), 1U);
  EXPECT_EQ(done, report->chunks);
  EXPECT_EQ(all, report->chunks);
}

TEST_F(DecomposeFileTest, LeavesNothingBehindWhenItRefuses) {
  ModelBuilder builder;
  WithScale(builder, "NoSuchOperator").Floats("w", {2}, {1, 2});
  EXPECT_EQ(Decompose(Model(builder.Serialize()), blob()).error().reason, "operator_unsupported");
  EXPECT_EQ(Decompose(Model(AsBytes("no model")), blob()).error().reason, "onnx_malformed");
  EXPECT_EQ(Decompose(folder_ / "none", blob()).error().reason, "file_not_found");
  EXPECT_EQ(FilesWritten(), 0U);
}

TEST_F(DecomposeFileTest, LeavesNothingBehindWhenItCantFinish) {
  ModelBuilder builder;
  WithScale(builder).Floats("w", {2}, {1, 2});
  std::filesystem::create_directory(blob());  // a folder where the file must go
  EXPECT_EQ(Decompose(Model(builder.Serialize()), blob()).error().reason, "file_unwritable");
  EXPECT_EQ(FilesWritten(), 1U);
  EXPECT_EQ(Decompose(Model(builder.Serialize()), folder_ / "no" / "folder").error().reason,
            "file_unwritable");
}

TEST_F(DecomposeFileTest, ReadsWeightsThatLieInAFileOfTheirOwn) {
  ModelBuilder builder;
  auto* tensor = WithScale(builder).Floats("w", {2}, {});
  tensor->clear_raw_data();
  tensor->set_data_location(::onnx::TensorProto::EXTERNAL);
  auto* entry = tensor->add_external_data();
  entry->set_key("location");
  entry->set_value("weights.bin");
  const auto model = Model(builder.Serialize());
  EXPECT_EQ(Decompose(model, blob()).error().reason, "file_not_found");
  ASSERT_TRUE(WriteFileAtomically(folder_ / "weights.bin", Bytes(8), 0600));
  EXPECT_EQ(Decompose(model, blob())->sealed_weight_bytes, 8U);
  entry->set_value("../weights.bin");
  EXPECT_EQ(Decompose(Model(builder.Serialize()), blob()).error().reason, "external_data_invalid");
}

}  // namespace
}  // namespace ephemeralml::decompose
