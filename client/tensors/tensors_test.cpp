#include "client/tensors/tensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <numeric>

#include "client/tensors/testing.h"
#include "common/base/file.h"

namespace ephemeralml::tensors {
namespace {

using wire::ElementType;

// Written by NumPy itself; see testdata/README.md.
const std::filesystem::path kTestdata = TENSORS_TESTDATA;
const std::filesystem::path kReference = TENSORS_REFERENCE;

class TensorFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tensors_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(TensorFiles, RoundTripInEveryKindOfFile) {
  const auto tensor = MakeTensor<float>("", ElementType::kFloat, {2, 2}, {1, 2, 3, 4});
  for (const char* name : {"a.npy", "a.npz", "a.json"}) {
    ASSERT_TRUE(WriteTensors(folder_ / name, {&tensor, 1})) << name;
    const auto read = ReadTensors(folder_ / name).value();
    ASSERT_EQ(read.size(), 1U);
    ExpectEqual(read.front(), tensor);
  }
}

TEST_F(TensorFiles, AreReadableByTheirOwnerAlone) {
  const auto tensor = MakeTensor<float>("", ElementType::kFloat, {1}, {1});
  ASSERT_TRUE(WriteTensors(folder_ / "a.npy", {&tensor, 1}));
  struct stat status = {};
  ASSERT_EQ(stat((folder_ / "a.npy").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(TensorFiles, AreToldByTheirExtension) {
  EXPECT_EQ(ReadTensors("a.bin").error().reason, "tensor_file_kind_unknown");
  EXPECT_EQ(WriteTensors(folder_ / "a", {}).error().reason, "tensor_file_kind_unknown");
  EXPECT_EQ(ReadTensors(folder_ / "absent.npz").error().reason, "file_not_found");
}

TEST_F(TensorFiles, HoldOneTensorAsNpy) {
  std::vector<NamedTensor> two;
  two.push_back(MakeTensor<float>("a", ElementType::kFloat, {1}, {1}));
  two.push_back(MakeTensor<float>("b", ElementType::kFloat, {1}, {1}));
  EXPECT_EQ(WriteTensors(folder_ / "a.npy", two).error().reason, "npy_holds_one_tensor");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.npy"));
}

TEST_F(TensorFiles, HaveNoNameTwice) {
  ASSERT_TRUE(WriteFileAtomically(folder_ / "a.json", AsBytes(R"({"x": [1], "x": [2]})"), 0600));
  EXPECT_EQ(ReadTensors(folder_ / "a.json").error().reason, "tensor_name_twice");
  std::vector<NamedTensor> two;
  two.push_back(MakeTensor<float>("a", ElementType::kFloat, {1}, {1}));
  two.push_back(MakeTensor<float>("a", ElementType::kFloat, {1}, {1}));
  EXPECT_EQ(WriteTensors(folder_ / "a.npz", two).error().reason, "tensor_name_twice");
}

TEST_F(TensorFiles, GiveUntypedJsonTheModelsTypes) {
  ASSERT_TRUE(WriteFileAtomically(folder_ / "a.json", AsBytes(R"({"x": [1]})"), 0600));
  const auto tensors = ReadTensors(folder_ / "a.json", {{"x", ElementType::kDouble}}).value();
  EXPECT_EQ(tensors.front().type, ElementType::kDouble);
}

TEST(NumPysFiles, InFortranOrderAndBigEndianReadAsOurs) {
  const auto tensors = ReadTensors(kTestdata / "fortran_big_endian.npy").value();
  std::vector<int16_t> counting(24);
  std::iota(counting.begin(), counting.end(), int16_t{0});
  ExpectEqual(tensors.front(), MakeTensor("", ElementType::kInt16, {2, 3, 4}, counting));
}

TEST(NumPysFiles, StoredReadAsTheyWereWritten) {
  const auto tensors = ReadTensors(kTestdata / "stored.npz").value();
  ASSERT_EQ(tensors.size(), 3U);
  ExpectEqual(tensors[0],
              MakeTensor<float>("x", ElementType::kFloat, {2, 3}, {0, 0.5F, 1, 1.5F, 2, 2.5F}));
  ExpectEqual(tensors[1],
              MakeTensor<uint8_t>("encoder/\xc3\xa9tat", ElementType::kBool, {1, 2}, {1, 0}));
  ExpectEqual(tensors[2], MakeTensor<int64_t>("sr", ElementType::kInt64, {}, {16000}));
}

TEST(NumPysFiles, DeflatedReadAsTheyWereWritten) {
  const auto tensors = ReadTensors(kTestdata / "deflated.npz").value();
  ASSERT_EQ(tensors.size(), 2U);
  ExpectEqual(tensors[0], MakeTensor("x", ElementType::kFloat, {8, 100}, std::vector<float>(800)));
  ExpectEqual(tensors[1],
              MakeTensor<uint16_t>("h", ElementType::kFloat16, {3}, {0x3c00, 0xc000, 0x7bff}));
}

TEST(ReferenceFiles, AllReadWithInputsBeforeOutputs) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kReference)) {
    if (entry.path().extension() != ".npz") continue;
    const auto tensors = ReadTensors(entry.path());
    ASSERT_TRUE(tensors.has_value()) << entry.path() << ": " << tensors.error().what;
    EXPECT_TRUE(tensors->front().name.starts_with("inputs/"));
    EXPECT_TRUE(tensors->back().name.starts_with("outputs/"));
    ++files;
  }
  EXPECT_GE(files, 40U);
}

}  // namespace
}  // namespace ephemeralml::tensors
