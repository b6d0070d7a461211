#include "common/cose/sign1.h"
#include "tests/attestation/platform.h"

namespace ephemeralml {
namespace {

using attest::MockAttester;
using std::chrono::hours;
using std::chrono::minutes;

class MockEvidence : public Platform {
 protected:
  void SetUp() override {
    Platform::SetUp();
    expectations_.nonce.fill(1);
    expectations_.exporter.fill(2);
    expectations_.tls_public_key = Bytes(91, 3);
  }

  Bytes Attest(attest::Attester& attester) const {
    return attester
        .Attest(expectations_.tls_public_key, expectations_.nonce,
                UserDataFor(expectations_.exporter))
        .value();
  }

  verify::Expectations expectations_;
};

TEST_F(MockEvidence, MeetsThePolicyThatTheEnclavePrints) {
  const Bytes evidence = Attest(*attester_);
  const auto outcome = verify::Examine(evidence, *policy_, expectations_, *root_, verify::Now());
  EXPECT_TRUE(outcome.result) << outcome.report.ToText();
  EXPECT_TRUE(outcome.report.ToText().starts_with("MOCK: no hardware protects this\n"));
  EXPECT_EQ(cose::DecodeDocument(cose::DecodeSign1(evidence)->payload)->cabundle.size(), 4U);
}

TEST_F(MockEvidence, HoldsInBothMapForms) {
  for (const auto form : {cose::MapForm::kDefinite, cose::MapForm::kIndefinite}) {
    const auto attester = MockAttester::Create(folder_, &verify::Now, form).value();
    EXPECT_EQ(Reason(Attest(*attester), expectations_), "");
  }
}

TEST_F(MockEvidence, HoldsWheneverItIsMade) {
  auto now = verify::Now();
  const auto attester = MockAttester::Create(
                            folder_, [&] { return now; }, cose::MapForm::kDefinite)
                            .value();
  for (int step = 0; step < 40; ++step) {
    const auto verified = verify::Verify(Attest(*attester), *policy_, expectations_, *root_, now);
    ASSERT_TRUE(verified) << verified.error().what;
    now += minutes(47);
  }
}

TEST_F(MockEvidence, GrowsOld) {
  const Bytes evidence = Attest(*attester_);
  const auto reason_after = [&](verify::Time::duration age) {
    return verify::Verify(evidence, *policy_, expectations_, *root_, verify::Now() + age)
        .error()
        .reason;
  };
  EXPECT_EQ(reason_after(hours(1)), "document_too_old");
  EXPECT_EQ(reason_after(hours(4)), "certificate_expired");
}

TEST_F(MockEvidence, OfAnotherDevelopmentCaIsRefused) {
  const auto other =
      MockAttester::Create(folder_ / "other", &verify::Now, cose::MapForm::kDefinite).value();
  EXPECT_EQ(Reason(Attest(*other), expectations_), "root_mismatch");
}

TEST_F(MockEvidence, OfAnotherProgramIsRefused) {
  const std::string digits(96, '1');
  const verify::Policy other =
      verify::Policy::Parse("[[measurements]]\nname = \"other\"\npcr0 = \"" + digits + "\"\n",
                            verify::TrustOnFirstUse::kAsPlatform)
          .value();
  const auto verified =
      verify::Verify(Attest(*attester_), other, expectations_, *root_, verify::Now());
  EXPECT_EQ(verified.error().reason, "measurement_mismatch");
}

TEST_F(MockEvidence, WithAFlippedBitIsRefused) {
  Bytes evidence = Attest(*attester_);
  // Every bit is flipped beside the verifier, in client/verify; here a sample of the attester's
  // own.
  for (size_t bit = 0; bit < evidence.size() * 8; bit += 31) {
    evidence[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    ASSERT_NE(Reason(evidence, expectations_), "") << bit;
    evidence[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  EXPECT_EQ(Reason(evidence, expectations_), "");
}

}  // namespace
}  // namespace ephemeralml
