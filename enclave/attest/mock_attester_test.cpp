#include "enclave/attest/mock_attester.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "common/cose/sign1.h"
#include "enclave/attest/measurements.h"

namespace ephemeralml::attest {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class MockAttesterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "attester.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    attester_ = MockAttester::Create(
                    folder_, [this] { return now_; }, cose::MapForm::kIndefinite)
                    .value();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  cose::AttestationDocument Attest() {
    evidence_ = attester_->Attest(Bytes(91, 1), Bytes(32, 2), Bytes(33, 3)).value();
    return cose::DecodeDocument(cose::DecodeSign1(evidence_)->payload).value();
  }

  std::filesystem::path folder_;
  MockAttester::Time now_ = std::chrono::sys_days(std::chrono::year(2026) / 5 / 17);
  std::unique_ptr<MockAttester> attester_;
  Bytes evidence_;
};

TEST_F(MockAttesterTest, AttestsWhatItIsGivenAndWhatItIs) {
  const cose::AttestationDocument document = Attest();
  EXPECT_EQ(document.public_key, Bytes(91, 1));
  EXPECT_EQ(document.nonce, Bytes(32, 2));
  EXPECT_EQ(document.user_data, Bytes(33, 3));
  EXPECT_EQ(document.pcrs, MeasureOwnProgram().value());
  EXPECT_EQ(document.cabundle.size(), 4U);
  EXPECT_TRUE(document.module_id.starts_with("mock-"));
  EXPECT_EQ(document.timestamp_ms, static_cast<uint64_t>(now_.time_since_epoch().count()));
}

TEST_F(MockAttesterTest, KeepsItsSigningCertificateUntilShortlyBeforeItExpires) {
  const Bytes first = Attest().certificate;
  now_ += hours(2);
  EXPECT_EQ(Attest().certificate, first);
  now_ += minutes(31);
  EXPECT_NE(Attest().certificate, first);
}

TEST_F(MockAttesterTest, MakesANewChainIfTheClockWasSetBack) {
  const Bytes first = Attest().certificate;
  now_ -= hours(24);
  EXPECT_NE(Attest().certificate, first);
}

TEST_F(MockAttesterTest, KeepsItsRootOverRestarts) {
  const Bytes root = Attest().cabundle.front();
  attester_ = MockAttester::Create(
                  folder_, [this] { return now_; }, cose::MapForm::kDefinite)
                  .value();
  EXPECT_EQ(Attest().cabundle.front(), root);
}

TEST_F(MockAttesterTest, RefusesWhatNoDocumentCouldHold) {
  EXPECT_EQ(attester_->Attest(Bytes(1025), {}, {}).error().reason,
            "attestation_argument_too_large");
  EXPECT_EQ(attester_->Attest({}, Bytes(513), {}).error().reason, "attestation_argument_too_large");
  EXPECT_EQ(attester_->Attest({}, {}, Bytes(513)).error().reason, "attestation_argument_too_large");
}

TEST(PrintMeasurements, SaysMock) {
  std::ostringstream out;
  ASSERT_TRUE(PrintMeasurements(out));
  EXPECT_TRUE(out.str().starts_with("# MOCK: no hardware protects this\n"));
}

}  // namespace
}  // namespace ephemeralml::attest
