#include "client/verify/revocation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "client/verify/testing/insecure_nitro.h"

namespace ephemeralml::verify {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const Time kNow = Time(std::chrono::sys_days(std::chrono::year(2026) / 5 / 17));

class Revocation : public testing::Test {
 protected:
  // As Nitro's: the first two certificates below the root say where their lists are published.
  void PublishListsAsNitroDoes() {
    chain_.specs[kRegional].revocation_list_url = "http://lists.example/root.crl";
    chain_.specs[kZonal].revocation_list_url = "http://lists.example/regional.crl";
    chain_.Make();
  }

  Result<size_t> Check(std::string_view pem) const {
    const auto lists = RevocationLists::Parse(AsBytes(pem));
    if (!lists) return lists.error();
    return CheckRevocation(chain_.Bundle(), chain_.Leaf(), *lists, kNow);
  }
  std::string_view Reason(std::string_view pem) const {
    const auto checked = Check(pem);
    return checked ? "" : checked.error().reason;
  }
  std::string_view Reason(const InsecureList& list) const {
    return Reason(list.ToPem(chain_, kNow));
  }
  std::string Pem(ChainPlace issuer, std::vector<ChainPlace> revoked = {}) const {
    return InsecureList{.issuer = issuer, .revoked = std::move(revoked)}.ToPem(chain_, kNow);
  }

  InsecureChain chain_ = InsecureChain(kNow);
};

TEST_F(Revocation, NeedsTheRootsListAndTakesMore) {
  EXPECT_EQ(Check(Pem(kRoot)).value(), 1U);
  EXPECT_EQ(Check(Pem(kRoot) + Pem(kRegional) + Pem(kZonal)).value(), 3U);
  EXPECT_EQ(Reason(Pem(kRegional)), "revocation_list_missing");
}

TEST_F(Revocation, NeedsEveryListThatACertificateSpeaksOf) {
  PublishListsAsNitroDoes();
  EXPECT_EQ(Reason(Pem(kRoot)), "revocation_list_missing");
  EXPECT_EQ(Check(Pem(kRoot) + Pem(kRegional)).value(), 2U);
}

TEST_F(Revocation, RefusesARevokedCertificateWhereverItStands) {
  EXPECT_EQ(Reason(Pem(kRoot, {kRegional})), "certificate_revoked");
  EXPECT_EQ(Reason(Pem(kRoot) + Pem(kRegional, {kZonal})), "certificate_revoked");
  EXPECT_EQ(Reason(Pem(kRoot) + Pem(kZonal, {kInstance})), "certificate_revoked");
  EXPECT_EQ(Reason(Pem(kRoot, {kLeaf, kZonal})), "");  // another issuer's certificates
}

TEST_F(Revocation, RefusesListsOutsideTheirTime) {
  EXPECT_EQ(Reason({.age = hours(25)}), "revocation_list_expired");
  EXPECT_EQ(Reason({.age = -seconds(1)}), "revocation_list_not_yet_valid");
  EXPECT_EQ(Reason(InsecureList{.age = hours(25)}.ToPem(chain_, kNow) + Pem(kRoot)), "");
  EXPECT_EQ(Reason({.lifetime = {}}), "revocation_list_malformed");
}

TEST_F(Revocation, RefusesListsOfOthersUnderTheIssuersName) {
  const InsecureChain other(kNow);
  EXPECT_EQ(Reason(InsecureList().ToPem(other, kNow)), "revocation_list_untrusted");
}

TEST_F(Revocation, RefusesListsThatTheirIssuerMayNotIssue) {
  EXPECT_EQ(Reason(Pem(kRoot) + Pem(kInstance)), "revocation_list_untrusted");
  chain_.specs[kRoot].key_usage = "digitalSignature,keyCertSign";
  chain_.Make();
  EXPECT_EQ(Reason(Pem(kRoot)), "revocation_list_untrusted");
}

TEST_F(Revocation, RefusesListsOverWeakerDigests) {
  EXPECT_EQ(Reason({.is_weak = true}), "revocation_list_weak");
}

TEST_F(Revocation, RefusesFilesThatAreNotListsAlone) {
  const std::string certificate = cose::CertificateToPem(chain_.certificates[kRoot]);
  std::string mislabelled = Pem(kRegional, {kZonal});
  mislabelled.replace(mislabelled.find("X509 CRL"), 8, "X509 CRl");
  for (const std::string& text : {std::string(), std::string("nonsense"), certificate,
                                  Pem(kRoot) + certificate, Pem(kRoot) + mislabelled}) {
    EXPECT_EQ(Reason(text), "revocation_list_malformed") << text;
  }
}

TEST_F(Revocation, RefusesAListCutOrAlteredAnywhere) {
  const std::string whole = Pem(kRoot);
  for (size_t size = 0; size + 1 < whole.size(); ++size) {
    ASSERT_NE(Reason(whole.substr(0, size)), "") << size;
  }
  const size_t begin = whole.find('\n') + 1;
  for (size_t i = begin; i < whole.find("-----END") - 5; ++i) {  // the last digits hold spare bits
    std::string altered = whole;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    ASSERT_NE(Reason(altered), "") << i;
  }
}

class PolicyWithLists : public Revocation {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("revocation_test." + std::to_string(getpid()));
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<Policy> Load(const std::string& lists) const {
    const MeasurementSet set = nitro_.MatchingPolicy().measurements().front();
    std::ofstream(folder_ / "lists.pem") << lists;
    std::ofstream(folder_ / "policy.toml") << "revocation_lists = \"lists.pem\"\n" << ToToml(set);
    return Policy::Load(folder_ / "policy.toml", TrustOnFirstUse::kAsPlatform);
  }
  Outcome<VerifiedEnclave> ExamineBy(const Policy& policy, Time at) const {
    return Examine(nitro_.Evidence(), policy, nitro_.expectations, nitro_.Root(), at);
  }
  std::string ListsOf(std::vector<ChainPlace> revoked) const {
    return InsecureList{.issuer = kRoot, .revoked = std::move(revoked)}.ToPem(nitro_.chain, kNow);
  }

  std::filesystem::path folder_;
  InsecureNitro nitro_ = InsecureNitro(kNow);
};

TEST_F(PolicyWithLists, AcceptsWhatIsListedNowhere) {
  const auto outcome = ExamineBy(Load(ListsOf({})).value(), kNow);
  EXPECT_TRUE(outcome.result) << outcome.report.ToText();
  EXPECT_NE(outcome.report.ToText().find("revocation   passed"), std::string::npos);
}

TEST_F(PolicyWithLists, RefusesWhatIsRevokedThoughItWasAcceptedBefore) {
  ASSERT_TRUE(ExamineBy(Load(ListsOf({})).value(), kNow).result);
  const auto outcome = ExamineBy(Load(ListsOf({kRegional})).value(), kNow);
  EXPECT_EQ(outcome.result.error().reason, "certificate_revoked");
  EXPECT_FALSE(outcome.report.document.has_value());
}

TEST_F(PolicyWithLists, RefusesEverythingOnceItsListsHaveExpired) {
  const Policy policy = Load(ListsOf({})).value();
  nitro_.document.timestamp_ms += 2 * 3600 * 1000;
  EXPECT_TRUE(ExamineBy(policy, kNow + hours(2)).result);
  const std::string brief =
      InsecureList{.issuer = kRoot, .lifetime = hours(2)}.ToPem(nitro_.chain, kNow);
  EXPECT_EQ(ExamineBy(Load(brief).value(), kNow + hours(2)).result.error().reason,
            "revocation_list_expired");
}

TEST_F(PolicyWithLists, IsRefusedItselfWhenItsListsCannotBeRead) {
  EXPECT_EQ(Load("nonsense").error().reason, "revocation_list_malformed");
  std::filesystem::remove(folder_ / "lists.pem");
  std::filesystem::create_directory(folder_ / "lists.pem");
  EXPECT_FALSE(Policy::Load(folder_ / "policy.toml", TrustOnFirstUse::kAsPlatform));
  std::filesystem::remove(folder_ / "lists.pem");
  EXPECT_EQ(Policy::Load(folder_ / "policy.toml", TrustOnFirstUse::kAsPlatform).error().reason,
            "file_not_found");
  EXPECT_EQ(Policy::Parse("revocation_lists = \"lists.pem\"", TrustOnFirstUse::kAsPlatform)
                .error()
                .reason,
            "policy_names_file");
}

}  // namespace
}  // namespace ephemeralml::verify
