#include "client/verify/verify.h"

#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "client/verify/testing/damage.h"
#include "client/verify/testing/insecure_nitro.h"

namespace ephemeralml::verify {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

static_assert(!std::is_default_constructible_v<VerifiedEnclave>);
static_assert(!std::is_constructible_v<VerifiedEnclave, CheckedDocument>);

const Time kNow = Time(std::chrono::sys_days(std::chrono::year(2026) / 5 / 17));

class Verification : public testing::Test {
 protected:
  std::string_view Reason() const {
    const Result<VerifiedEnclave> verified = nitro_.Verify();
    return verified ? "" : verified.error().reason;
  }
  std::string_view ReasonAfter(const std::function<void(InsecureNitro&)>& change) {
    InsecureNitro changed = nitro_;
    change(changed);
    const Result<VerifiedEnclave> verified = changed.Verify();
    return verified ? "" : verified.error().reason;
  }
  Outcome<VerifiedEnclave> ExamineAt(Time now) const {
    return Examine(nitro_.Evidence(), nitro_.MatchingPolicy(), nitro_.expectations, nitro_.Root(),
                   now);
  }

  InsecureNitro nitro_ = InsecureNitro(kNow);
};

TEST_F(Verification, AcceptsGoodEvidenceInBothMapForms) {
  for (const auto form : {cose::MapForm::kDefinite, cose::MapForm::kIndefinite}) {
    const auto verified = Verify(nitro_.Evidence(form), nitro_.MatchingPolicy(),
                                 nitro_.expectations, nitro_.Root(), kNow);
    ASSERT_TRUE(verified) << verified.error().what;
    EXPECT_EQ(verified->tls_public_key(), nitro_.expectations.tls_public_key);
    EXPECT_EQ(verified->measurements(), "test");
    EXPECT_EQ(verified->module_id(), "i-test-enc0");
    EXPECT_EQ(verified->timestamp(), kNow);
  }
}

TEST_F(Verification, RefusesASignatureByAnotherKey) {
  EXPECT_EQ(ReasonAfter(
                [](InsecureNitro& nitro) { nitro.chain.keys[kLeaf] = cose::Es384Key::Generate(); }),
            "signature_invalid");
}

TEST_F(Verification, RefusesAnotherRoot) {
  const InsecureNitro other(kNow);
  EXPECT_EQ(
      Verify(other.Evidence(), nitro_.MatchingPolicy(), nitro_.expectations, nitro_.Root(), kNow)
          .error()
          .reason,
      "root_mismatch");
}

TEST_F(Verification, RefusesALeafThatTheRootDidNotIssue) {
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) {
              const InsecureChain forged(kNow);
              nitro.chain.certificates[kLeaf] = forged.certificates[kLeaf];
              nitro.chain.keys[kLeaf] = forged.keys[kLeaf];
            }),
            "chain_untrusted");
}

TEST_F(Verification, RefusesExpiredCertificates) {
  EXPECT_EQ(ExamineAt(kNow + std::chrono::hours(4)).result.error().reason, "certificate_expired");
}

TEST_F(Verification, RefusesDocumentsOutsideTheirAgeWindow) {
  const auto limit = kDefaultMaxAge + kDefaultClockSkew;
  const auto reason_at_age = [&](milliseconds age) {
    return ReasonAfter([&](InsecureNitro& nitro) {
      nitro.document.timestamp_ms = static_cast<uint64_t>((kNow - age).time_since_epoch().count());
    });
  };
  EXPECT_EQ(reason_at_age(limit), "");
  EXPECT_EQ(reason_at_age(limit + milliseconds(1)), "document_too_old");
  EXPECT_EQ(reason_at_age(-kDefaultClockSkew), "");
  EXPECT_EQ(reason_at_age(-kDefaultClockSkew - milliseconds(1)), "document_from_future");
}

TEST_F(Verification, RefusesAnotherNonceOrNone) {
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.expectations.nonce[31] ^= 1; }),
            "nonce_mismatch");
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.document.nonce.reset(); }),
            "nonce_mismatch");
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.document.nonce->push_back(0); }),
            "nonce_mismatch");
}

TEST_F(Verification, RefusesAnotherTlsKeyOrNone) {
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.expectations.tls_public_key[0] ^= 1; }),
            "key_mismatch");
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.document.public_key.reset(); }),
            "key_mismatch");
}

TEST_F(Verification, RefusesTheBindingOfAnotherConnectionOrNone) {
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.expectations.exporter[0] ^= 1; }),
            "binding_mismatch");
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.document.user_data.reset(); }),
            "binding_mismatch");
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.document.user_data->pop_back(); }),
            "binding_mismatch");
  EXPECT_EQ(ReasonAfter([](InsecureNitro& nitro) { nitro.document.user_data->front() = 2; }),
            "binding_version_unsupported");
}

TEST_F(Verification, RefusesDebugEnclavesWhateverThePolicySays) {
  for (const uint8_t index : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    InsecureNitro debug = nitro_;
    debug.document.pcrs[index] = {};
    MeasurementSet set = {.name = "signer", .pcrs = {}, .expires = {}, .observed = false};
    set.pcrs[8] = debug.document.pcrs[8];
    const Policy policy = Policy::Parse(ToToml(set), TrustOnFirstUse::kAsPlatform).value();
    EXPECT_EQ(
        Verify(debug.Evidence(), policy, debug.expectations, debug.Root(), kNow).error().reason,
        "debug_enclave");
    debug.document.pcrs.erase(index);
    EXPECT_EQ(
        Verify(debug.Evidence(), policy, debug.expectations, debug.Root(), kNow).error().reason,
        "measurement_missing");
  }
}

TEST_F(Verification, RefusesMeasurementsThatThePolicyDoesNotName) {
  const Policy policy = nitro_.MatchingPolicy();
  nitro_.document.pcrs[0][0] ^= 1;
  EXPECT_EQ(
      Verify(nitro_.Evidence(), policy, nitro_.expectations, nitro_.Root(), kNow).error().reason,
      "measurement_mismatch");
}

TEST_F(Verification, ReportsEveryCheckOfAuthenticEvidence) {
  nitro_.expectations.nonce[0] ^= 1;
  nitro_.expectations.exporter[0] ^= 1;
  const Outcome<VerifiedEnclave> outcome = ExamineAt(kNow);
  EXPECT_EQ(outcome.result.error().reason, "nonce_mismatch");
  EXPECT_EQ(outcome.report.FirstFailure()->reason, "nonce_mismatch");
  const auto json = nlohmann::json::parse(outcome.report.ToJson());
  EXPECT_EQ(json["accepted"], false);
  EXPECT_EQ(json["reason"], "nonce_mismatch");
  std::map<std::string, std::string> verdicts;
  for (const auto& check : json["checks"]) verdicts[check["check"]] = check["verdict"];
  EXPECT_EQ(verdicts["chain"], "passed");
  EXPECT_EQ(verdicts["nonce"], "failed");
  EXPECT_EQ(verdicts["binding"], "failed");
  EXPECT_EQ(verdicts["measurements"], "passed");
  EXPECT_EQ(json["document"]["pcrs"].size(), kPolicyPcrs.size());
}

TEST_F(Verification, ReportsNothingOfEvidenceThatIsNotAuthentic) {
  nitro_.chain.keys[kLeaf] = cose::Es384Key::Generate();
  const Outcome<VerifiedEnclave> outcome = ExamineAt(kNow);
  EXPECT_FALSE(outcome.report.document.has_value());
  for (const CheckResult& check : outcome.report.checks) {
    if (check.check == "format") {
      EXPECT_EQ(check.verdict, Verdict::kPassed);
    } else if (check.check == "signature") {
      EXPECT_EQ(check.verdict, Verdict::kFailed);
    } else {
      EXPECT_EQ(check.verdict, Verdict::kNotChecked) << check.check;
    }
  }
  EXPECT_EQ(outcome.report.checks.size(), 11U);
}

TEST_F(Verification, SaysMockInEveryReportOfAMockBuild) {
  const Report report = ExamineAt(kNow).report;
  const bool is_mock = PlatformName() == "mock";
  EXPECT_EQ(report.ToText().starts_with("MOCK: no hardware protects this\n"), is_mock);
  EXPECT_EQ(nlohmann::json::parse(report.ToJson()).contains("notice"), is_mock);
}

TEST_F(Verification, RefusesTruncationAtEveryByteAndTrailingBytes) {
  const Policy policy = nitro_.MatchingPolicy();
  const TrustRoot root = nitro_.Root();
  for (const auto form : {cose::MapForm::kDefinite, cose::MapForm::kIndefinite}) {
    Bytes evidence = nitro_.Evidence(form);
    for (size_t size = 0; size < evidence.size(); ++size) {
      EXPECT_FALSE(Verify(ByteSpan(evidence).first(size), policy, nitro_.expectations, root, kNow));
    }
    evidence.push_back(0);
    EXPECT_EQ(Verify(evidence, policy, nitro_.expectations, root, kNow).error().reason,
              "cbor_malformed");
  }
}

// Sixteen tests, so that they run side by side; under sanitizers a sample.
class EvidenceOfForm : public testing::TestWithParam<std::tuple<cose::MapForm, int>> {};

TEST_P(EvidenceOfForm, WithABitTurnedAnywhereIsRefusedWithAReason) {
#ifdef EPHEMERAL_SANITIZED
  constexpr size_t kStep = 61;
#else
  constexpr size_t kStep = 1;
#endif
  const auto [form, bit] = GetParam();
  const InsecureNitro nitro(kNow);
  const Policy policy = nitro.MatchingPolicy();
  const TrustRoot root = nitro.Root();
  const Bytes evidence = nitro.Evidence(form);
  TurnBits(evidence, bit, kStep, [&](const Bytes& turned, size_t place) {
    const auto verified = Verify(turned, policy, nitro.expectations, root, kNow);
    EXPECT_FALSE(verified) << "byte " << place;
    if (verified) return;
    EXPECT_FALSE(verified.error().reason.empty()) << "byte " << place;
  });
  EXPECT_TRUE(Verify(evidence, policy, nitro.expectations, root, kNow));
}

INSTANTIATE_TEST_SUITE_P(Evidence, EvidenceOfForm,
                         testing::Combine(testing::Values(cose::MapForm::kDefinite,
                                                          cose::MapForm::kIndefinite),
                                          testing::Range(0, 8)));

TEST_F(Verification, RefusesSplicesOfTwoDocumentsInBothMapForms) {
  constexpr uint64_t kSeed = 20260517;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  const Policy policy = nitro_.MatchingPolicy();
  for (const auto form : {cose::MapForm::kDefinite, cose::MapForm::kIndefinite}) {
    const Bytes evidence = nitro_.Evidence(form);
    InsecureNitro other = nitro_;
    other.document.nonce = Bytes(32, 0x44);
    for (int i = 0; i < 1000; ++i) {
      const Bytes damaged = Damage(evidence, other.Evidence(form), random);
      ASSERT_FALSE(Verify(damaged, policy, nitro_.expectations, nitro_.Root(), kNow)) << i;
    }
  }
}

TEST_F(Verification, JudgesAStoredDocumentWithoutAConnection) {
  const Bytes nonce(nitro_.expectations.nonce.begin(), nitro_.expectations.nonce.end());
  const auto outcome =
      CheckOffline(nitro_.Evidence(), nitro_.MatchingPolicy(), nonce, nitro_.Root(), kNow);
  EXPECT_EQ(outcome.result.value().measurements, "test");
  for (const CheckResult& check : outcome.report.checks) {
    const bool lacks_something =
        check.check == "key" || check.check == "binding" || check.check == "revocation";
    EXPECT_EQ(check.verdict, lacks_something ? Verdict::kNotChecked : Verdict::kPassed);
  }
  EXPECT_EQ(CheckOffline(nitro_.Evidence(), nitro_.MatchingPolicy(), Bytes(32), nitro_.Root(), kNow)
                .result.error()
                .reason,
            "nonce_mismatch");
}

TEST_F(Verification, ObservesWhatAPolicyCanThenName) {
  const auto outcome = Observe(nitro_.Evidence(), nitro_.expectations, nitro_.Root(), kNow);
  const MeasurementSet& set = outcome.result.value().measurements;
  EXPECT_TRUE(set.observed);
  const Policy policy = Policy::Parse(ToToml(set), TrustOnFirstUse::kAllowed).value();
  EXPECT_TRUE(Verify(nitro_.Evidence(), policy, nitro_.expectations, nitro_.Root(), kNow));
  nitro_.expectations.exporter[0] ^= 1;
  EXPECT_EQ(
      Observe(nitro_.Evidence(), nitro_.expectations, nitro_.Root(), kNow).result.error().reason,
      "binding_mismatch");
}

}  // namespace
}  // namespace ephemeralml::verify
