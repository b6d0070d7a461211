// Real documents, which this repository doesn't hold: EPHEMERAL_VECTORS names their folder. Without
// it these tests say that they were skipped.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "client/verify/aws_nitro_root.h"
#include "client/verify/chain.h"
#include "client/verify/testing/damage.h"
#include "client/verify/testing/insecure_nitro.h"
#include "client/verify/verify.h"
#include "common/base/file.h"
#include "common/cose/certificate.h"
#include "common/cose/sign1.h"

namespace ephemeralml::verify {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr const char* kProduction = "2022-10-13-production.cose";
constexpr const char* kDebug = "2022-10-12-debug.cose";
const Time kProductionTime = Time(milliseconds(1665651482136));
const Time kDebugTime = Time(milliseconds(1665582606081));

std::filesystem::path Folder() {
  const char* given = std::getenv("EPHEMERAL_VECTORS");
  const std::filesystem::path base =
      given != nullptr ? given : std::filesystem::path(EPHEMERAL_DEFAULT_VECTORS);
  return base / "nitro";
}

class NitroVectors : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(Folder())) {
      GTEST_SKIP() << "no real documents here; EPHEMERAL_VECTORS names their folder";
    }
    const Bytes pem = Read("AWS_NitroEnclaves_Root-G1.pem");
    root_ = cose::CertificateFromPem(pem).value();
  }

  static Bytes Read(const char* name) { return ReadFile(Folder() / name, 1 << 20).value(); }
  TrustRoot Root() const { return InsecureTrustRoot::Of(root_); }

  static Policy PolicyFor(ByteSpan evidence) {
    const auto document = cose::DecodeDocument(cose::DecodeSign1(evidence)->payload).value();
    MeasurementSet set = {.name = "vector", .pcrs = {}, .expires = {}, .observed = false};
    for (const uint8_t index : kPolicyPcrs) {
      if (!document.pcrs.at(index).IsZero()) set.pcrs[index] = document.pcrs.at(index);
    }
    if (!set.pcrs.contains(0)) set.pcrs[8].fill(1);
    return Policy::Parse(ToToml(set), TrustOnFirstUse::kAsPlatform).value();
  }

  std::string_view ReasonAt(const Bytes& evidence, const Policy& policy, Time at) const {
    const auto outcome = CheckOffline(evidence, policy, std::nullopt, Root(), at);
    return outcome.result ? "" : outcome.result.error().reason;
  }

  Bytes root_;
};

TEST_F(NitroVectors, HoldTheRootThatProductionPins) { EXPECT_EQ(DigestOf(root_), kAwsNitroRootG1); }

TEST_F(NitroVectors, TheProductionDocumentHoldsAtItsOwnTime) {
  const Bytes evidence = Read(kProduction);
  const Policy policy = PolicyFor(evidence);
  const auto document = cose::DecodeDocument(cose::DecodeSign1(evidence)->payload).value();
  const auto outcome = CheckOffline(evidence, policy, document.nonce, Root(), kProductionTime);
  EXPECT_TRUE(outcome.result) << outcome.report.ToText();
  EXPECT_EQ(outcome.report.document->pcrs.size(), 6U);
}

TEST_F(NitroVectors, TheProductionDocumentIsRefusedAtOtherTimes) {
  const Bytes evidence = Read(kProduction);
  const Policy policy = PolicyFor(evidence);
  EXPECT_EQ(ReasonAt(evidence, policy, Now()), "certificate_expired");
  EXPECT_EQ(ReasonAt(evidence, policy, kProductionTime + hours(1)), "document_too_old");
  EXPECT_EQ(ReasonAt(evidence, policy, kProductionTime + hours(3)), "certificate_expired");
  EXPECT_EQ(ReasonAt(evidence, policy, kProductionTime - minutes(1)), "certificate_not_yet_valid");
}

TEST_F(NitroVectors, TheProductionDocumentIsRefusedUnderAnotherRoot) {
  const Bytes evidence = Read(kProduction);
  const auto outcome = CheckOffline(evidence, PolicyFor(evidence), std::nullopt,
                                    InsecureNitro(kProductionTime).Root(), kProductionTime);
  EXPECT_EQ(outcome.result.error().reason, "root_mismatch");
}

TEST_F(NitroVectors, TheProductionDocumentOpensNoConnection) {
  const Bytes evidence = Read(kProduction);
  const auto outcome =
      Examine(evidence, PolicyFor(evidence), Expectations(), Root(), kProductionTime);
  EXPECT_EQ(outcome.result.error().reason, "nonce_mismatch");
}

TEST_F(NitroVectors, TheDebugDocumentIsRefusedForBeingDebug) {
  const Bytes evidence = Read(kDebug);
  EXPECT_EQ(ReasonAt(evidence, PolicyFor(evidence), kDebugTime), "debug_enclave");
}

// Eight tests, so that they run side by side; under sanitizers a sample.
class NitroVectorWithBit : public NitroVectors, public testing::WithParamInterface<int> {};

TEST_P(NitroVectorWithBit, TurnedAnywhereIsRefusedWithAReason) {
#ifdef EPHEMERAL_SANITIZED
  constexpr size_t kStep = 61;
#else
  constexpr size_t kStep = 1;
#endif
  const Bytes evidence = Read(kProduction);
  const Policy policy = PolicyFor(evidence);
  size_t tried = 0;
  TurnBits(evidence, GetParam(), kStep, [&](const Bytes& turned, size_t place) {
    ++tried;
    const auto outcome = CheckOffline(turned, policy, std::nullopt, Root(), kProductionTime);
    EXPECT_FALSE(outcome.result) << "byte " << place;
    if (outcome.result) return;
    EXPECT_FALSE(outcome.result.error().reason.empty()) << "byte " << place;
  });
  EXPECT_EQ(tried, (evidence.size() + kStep - 1) / kStep);
  EXPECT_EQ(ReasonAt(evidence, policy, kProductionTime), "");
}

INSTANTIATE_TEST_SUITE_P(Evidence, NitroVectorWithBit, testing::Range(0, 8));

TEST_F(NitroVectors, TheProductionDocumentCutAnywhereIsRefused) {
  const Bytes evidence = Read(kProduction);
  const Policy policy = PolicyFor(evidence);
  for (size_t size = 0; size < evidence.size(); ++size) {
    const Bytes cut(evidence.begin(), evidence.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_NE(ReasonAt(cut, policy, kProductionTime), "") << size;
  }
}

TEST_F(NitroVectors, SplicesOfRealDocumentsAreRefused) {
  constexpr uint64_t kSeed = 20221013;
  std::cout << "seed " << kSeed << "\n";
  const Bytes evidence = Read(kProduction);
  const Bytes other = Read(kDebug);
  const Policy policy = PolicyFor(evidence);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NE(ReasonAt(Damage(evidence, other, random), policy, kProductionTime), "") << i;
  }
}

TEST_F(NitroVectors, TheCorruptDocumentIsRefused) {
  const auto sign1 = cose::DecodeSign1(Read("2026-01-03-corrupt.cose"));
  EXPECT_FALSE(sign1);
  EXPECT_EQ(sign1.error().code, Code::kMalformed);
}

TEST_F(NitroVectors, TheUnsignedDocumentOfQemuIsRefused) {
  const Bytes text = Read("qemu-unsigned.hex");
  const Bytes reply = FromHex(AsText(text).substr(0, text.size() - 1)).value();
  // The NSM's reply wraps the document: {"Attestation": {"document": bytes}}.
  const Bytes envelope = {0x84, 0x43, 0xa1, 0x01, 0x20};
  const auto begin = std::search(reply.begin(), reply.end(), envelope.begin(), envelope.end());
  ASSERT_NE(begin, reply.end());
  const Bytes evidence(begin, reply.end());
  EXPECT_EQ(cose::DecodeSign1(evidence).error().reason, "evidence_algorithm_refused");
}

}  // namespace
}  // namespace ephemeralml::verify
