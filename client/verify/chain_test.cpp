#include "client/verify/chain.h"

#include <gtest/gtest.h>

#include <functional>

#include "client/verify/testing/insecure_nitro.h"

namespace ephemeralml::verify {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

// A P-256 key: the curve's base point.
Bytes P256Key() {
  return FromHex(
             "3059301306072a8648ce3d020106082a8648ce3d030107034200"
             "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
             "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
      .value();
}

class Chain : public testing::Test {
 protected:
  std::string_view Reason(Time at) const {
    const Done verified = VerifyChain(chain_.Bundle(), chain_.Leaf(), at);
    return verified ? "" : verified.error().reason;
  }
  std::string_view Reason() const { return Reason(now_); }
  std::string_view ReasonAfter(const std::function<void(InsecureChain&)>& change) {
    change(chain_);
    chain_.Make();
    return Reason();
  }

  const Time now_ = Time(std::chrono::sys_days(std::chrono::year(2026) / 5 / 17));
  InsecureChain chain_ = InsecureChain(now_);
};

TEST_F(Chain, AcceptsOneOfNitrosShape) { EXPECT_EQ(Reason(), ""); }

TEST_F(Chain, RefusesEachCertificateOutsideItsValidity) {
  EXPECT_EQ(Reason(now_ + hours(4)), "certificate_expired");
  EXPECT_EQ(Reason(now_ - seconds(4)), "certificate_not_yet_valid");
  for (const ChainPlace place : {kRoot, kRegional, kZonal, kInstance, kLeaf}) {
    InsecureChain expired(now_);
    expired.specs[place].not_after = std::chrono::floor<seconds>(now_) - seconds(1);
    expired.Make();
    EXPECT_EQ(VerifyChain(expired.Bundle(), expired.Leaf(), now_).error().reason,
              "certificate_expired");
  }
}

TEST_F(Chain, RefusesAnIssuerThatIsNoAuthority) {
  EXPECT_EQ(ReasonAfter([](InsecureChain& chain) {
              chain.specs[kInstance].is_ca = false;
              chain.specs[kInstance].path_length.reset();
            }),
            "certificate_not_authority");
}

TEST_F(Chain, RefusesAnIssuerWithoutTheUsageToSignCertificates) {
  for (const char* usage : {"digitalSignature", ""}) {
    EXPECT_EQ(ReasonAfter([&](InsecureChain& chain) { chain.specs[kZonal].key_usage = usage; }),
              "certificate_key_usage");
  }
}

TEST_F(Chain, RefusesALeafThatMayIssueOrMayNotSign) {
  for (const char* usage : {"keyAgreement", "digitalSignature,keyCertSign", ""}) {
    EXPECT_EQ(ReasonAfter([&](InsecureChain& chain) { chain.specs[kLeaf].key_usage = usage; }),
              "certificate_key_usage");
  }
  EXPECT_EQ(ReasonAfter([](InsecureChain& chain) { chain.specs[kLeaf].is_ca = true; }),
            "leaf_is_authority");
}

TEST_F(Chain, RefusesMoreAuthoritiesThanAPathLengthAllows) {
  EXPECT_EQ(ReasonAfter([](InsecureChain& chain) { chain.specs[kRegional].path_length = 1; }),
            "path_length_exceeded");
}

TEST_F(Chain, RefusesKeysOnOtherCurves) {
  EXPECT_EQ(ReasonAfter([](InsecureChain& chain) { chain.foreign_keys[kLeaf] = P256Key(); }),
            "certificate_key_unsupported");
  chain_.foreign_keys.clear();
  EXPECT_EQ(ReasonAfter([](InsecureChain& chain) { chain.foreign_keys[kZonal] = P256Key(); }),
            "certificate_key_unsupported");
}

TEST_F(Chain, RefusesSignaturesOverWeakerDigests) {
  chain_.SignWithSha256(kLeaf);
  EXPECT_EQ(Reason(), "certificate_digest_weak");
}

TEST_F(Chain, RefusesSignaturesOfOthers) {
  const InsecureChain other(now_);
  for (const ChainPlace place : {kRoot, kRegional, kZonal, kInstance, kLeaf}) {
    InsecureChain mixed = chain_;
    mixed.certificates[place] = other.certificates[place];
    EXPECT_EQ(VerifyChain(mixed.Bundle(), mixed.Leaf(), now_).error().reason, "chain_untrusted");
  }
}

TEST_F(Chain, RefusesABundleInAnotherOrderOrWithMoreOrLess) {
  std::vector<Bytes> bundle = chain_.Bundle();
  std::swap(bundle[1], bundle[2]);
  EXPECT_EQ(VerifyChain(bundle, chain_.Leaf(), now_).error().reason, "chain_untrusted");
  std::swap(bundle[1], bundle[2]);
  bundle.push_back(bundle.back());
  EXPECT_EQ(VerifyChain(bundle, chain_.Leaf(), now_).error().reason, "chain_untrusted");
  bundle.resize(3);
  EXPECT_EQ(VerifyChain(bundle, chain_.Leaf(), now_).error().reason, "chain_untrusted");
}

// Each link of this bundle holds, but the shortest path leaves its last certificate out.
TEST_F(Chain, RefusesABundleThatHoldsAnAuthorityOfOneNameAndKeyTwice) {
  const cose::Issuer itself = {chain_.keys[kInstance], chain_.certificates[kInstance]};
  std::vector<Bytes> bundle = chain_.Bundle();
  bundle.push_back(
      cose::IssueCertificate(chain_.specs[kInstance], itself.key.PublicKey(), itself).value());
  EXPECT_EQ(VerifyChain(bundle, chain_.Leaf(), now_).error().reason, "chain_untrusted");
}

TEST_F(Chain, RefusesWhatIsNoCertificate) {
  EXPECT_EQ(VerifyChain({Bytes(64)}, chain_.Leaf(), now_).error().reason, "certificate_malformed");
  EXPECT_EQ(VerifyChain(chain_.Bundle(), Bytes(64), now_).error().reason, "certificate_malformed");
  Bytes trailing = chain_.Leaf();
  trailing.push_back(0);
  EXPECT_EQ(VerifyChain(chain_.Bundle(), trailing, now_).error().reason, "certificate_malformed");
}

TEST_F(Chain, RefusesOtherRoots) {
  const TrustRoot root = InsecureTrustRoot::Of(chain_.certificates[kRoot]);
  EXPECT_TRUE(RequireRoot(chain_.certificates[kRoot], root));
  EXPECT_EQ(RequireRoot(chain_.certificates[kRegional], root).error().reason, "root_mismatch");
}

}  // namespace
}  // namespace ephemeralml::verify
