#include "enclave/attest/development_ca.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/file.h"

namespace ephemeralml::attest {
namespace {

const cose::Seconds kNow = std::chrono::sys_days(std::chrono::year(2026) / 5 / 17);

class DevelopmentCa : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "ca_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = std::filesystem::path(pattern) / "state";
  }
  void TearDown() override { std::filesystem::remove_all(folder_.parent_path()); }

  unsigned ModeOf(const char* name) const {
    struct stat status = {};
    EXPECT_EQ(stat((folder_ / name).c_str(), &status), 0);
    return status.st_mode & 0777U;
  }
  std::string Contents(const char* name) const {
    return std::string(AsText(ReadFile(folder_ / name, 1 << 16).value()));
  }

  std::filesystem::path folder_;
};

TEST_F(DevelopmentCa, IsMadeAtTheFirstStartAndKept) {
  const cose::Issuer first = OpenDevelopmentCa(folder_, kNow).value();
  const std::string contents = Contents(kDevelopmentCaFile);
  const cose::Issuer second = OpenDevelopmentCa(folder_, kNow + std::chrono::hours(1)).value();
  EXPECT_EQ(first.certificate, second.certificate);
  EXPECT_EQ(first.key.PublicKey(), second.key.PublicKey());
  EXPECT_EQ(Contents(kDevelopmentCaFile), contents);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(DevelopmentCa, KeepsItsKeyPrivateAndItsCertificatePublic) {
  const cose::Issuer ca = OpenDevelopmentCa(folder_, kNow).value();
  EXPECT_EQ(ModeOf(kDevelopmentCaFile), 0600U);
  EXPECT_EQ(ModeOf(kRootFile), 0644U);
  EXPECT_EQ(Contents(kRootFile).find("PRIVATE"), std::string::npos);
  EXPECT_EQ(cose::CertificateFromPem(AsBytes(Contents(kRootFile))).value(), ca.certificate);
}

TEST_F(DevelopmentCa, ExportsItsCertificateAgainIfThatIsMissingOrAnother) {
  const cose::Issuer ca = OpenDevelopmentCa(folder_, kNow).value();
  ASSERT_TRUE(WriteFileAtomically(folder_ / kRootFile, AsBytes("stale"), 0644));
  ASSERT_TRUE(OpenDevelopmentCa(folder_, kNow));
  EXPECT_EQ(cose::CertificateFromPem(AsBytes(Contents(kRootFile))).value(), ca.certificate);
  std::filesystem::remove(folder_ / kRootFile);
  ASSERT_TRUE(OpenDevelopmentCa(folder_, kNow));
  EXPECT_EQ(ModeOf(kRootFile), 0644U);
}

TEST_F(DevelopmentCa, IsRefusedIfOthersMayReadItsKey) {
  ASSERT_TRUE(OpenDevelopmentCa(folder_, kNow));
  ASSERT_EQ(chmod((folder_ / kDevelopmentCaFile).c_str(), 0640), 0);
  EXPECT_EQ(OpenDevelopmentCa(folder_, kNow).error().reason, "development_ca_exposed");
}

TEST_F(DevelopmentCa, IsNotReplacedIfItsFileIsBroken) {
  std::filesystem::create_directories(folder_);
  ASSERT_TRUE(WriteFileAtomically(folder_ / kDevelopmentCaFile, AsBytes("broken"), 0600));
  EXPECT_EQ(OpenDevelopmentCa(folder_, kNow).error().reason, "development_ca_malformed");
  EXPECT_EQ(Contents(kDevelopmentCaFile), "broken");
}

TEST_F(DevelopmentCa, SaysThatItsFolderCantBeMade) {
  std::filesystem::create_directories(folder_.parent_path());
  ASSERT_TRUE(WriteFileAtomically(folder_, AsBytes("a file"), 0600));
  EXPECT_EQ(OpenDevelopmentCa(folder_, kNow).error().reason, "file_unwritable");
}

}  // namespace
}  // namespace ephemeralml::attest
