#include "client/verify/parsed_certificate.h"

#include <gtest/gtest.h>

#include <thread>

#include "client/verify/testing/insecure_nitro.h"

namespace ephemeralml::verify {
namespace {

using std::chrono::hours;

const Time kNow = Time(std::chrono::sys_days(std::chrono::year(2026) / 5 / 17));
constexpr uint64_t kLinks = kLeaf;  // one signature below the root for each certificate

class RememberedCertificates : public testing::Test {
 protected:
  RememberedCertificates() { ForgetCertificates(); }

  // How many signatures had to be checked meanwhile.
  template <class Call>
  static uint64_t Checked(Call call) {
    const uint64_t before = ParsedCertificate::SignaturesChecked();
    call();
    return ParsedCertificate::SignaturesChecked() - before;
  }
  static std::string_view Reason(const InsecureChain& chain, Time at = kNow) {
    const Done verified = chain.Verify(at);
    return verified ? "" : verified.error().reason;
  }

  InsecureChain chain_ = InsecureChain(kNow);
};

TEST_F(RememberedCertificates, CostNoSignatureAgain) {
  EXPECT_EQ(Checked([&] { EXPECT_EQ(Reason(chain_), ""); }), kLinks);
  EXPECT_EQ(Checked([&] { EXPECT_EQ(Reason(chain_), ""); }), 0U);
  ForgetCertificates();
  EXPECT_EQ(Checked([&] { EXPECT_EQ(Reason(chain_), ""); }), kLinks);
}

TEST_F(RememberedCertificates, ServeTheNextEnclaveOfTheSameMachine) {
  ASSERT_EQ(Reason(chain_), "");
  InsecureChain next = chain_;
  const auto leaf = cose::Es384Key::Generate();
  next.certificates[kLeaf] =
      cose::IssueCertificate(next.specs[kLeaf], leaf.PublicKey(),
                             {next.keys[kInstance], next.certificates[kInstance]})
          .value();
  EXPECT_EQ(Checked([&] { EXPECT_EQ(Reason(next), ""); }), 1U);
}

TEST_F(RememberedCertificates, AreRefusedOnceTheyExpireAndForgotten) {
  ASSERT_EQ(Reason(chain_), "");
  const size_t known = CertificateMemory::OfProcess().size();
  EXPECT_EQ(Reason(chain_, kNow + hours(4)), "certificate_expired");
  EXPECT_LT(CertificateMemory::OfProcess().size(), known);
  EXPECT_EQ(Reason(chain_, kNow - hours(1)), "certificate_not_yet_valid");
  EXPECT_EQ(Reason(chain_), "");
}

TEST_F(RememberedCertificates, VouchForNoOtherBytes) {
  ASSERT_EQ(Reason(chain_), "");
  for (const ChainPlace place : {kRegional, kZonal, kInstance, kLeaf}) {
    InsecureChain forged = chain_;
    forged.certificates[place].back() ^= 1;  // of the signature
    EXPECT_EQ(Reason(forged), "chain_untrusted");
    // Of the same name and key, but another issuer's.
    const InsecureChain other(kNow);
    forged.certificates[place] =
        cose::IssueCertificate(chain_.specs[place], chain_.keys[place].PublicKey(),
                               {other.keys[place - 1], other.certificates[place - 1]})
            .value();
    EXPECT_EQ(Reason(forged), "chain_untrusted");
  }
}

TEST_F(RememberedCertificates, VouchUnderTheirOwnIssuerAlone) {
  ASSERT_EQ(Reason(chain_), "");
  InsecureChain other = chain_;
  other.keys[kRoot] = cose::Es384Key::Generate();
  other.certificates[kRoot] = cose::IssueRoot(other.specs[kRoot], other.keys[kRoot]);
  EXPECT_EQ(Reason(other), "chain_untrusted");
}

TEST_F(RememberedCertificates, HoldASignatureOfOneIssuerAlone) {
  const InsecureChain other(kNow);
  const auto parse = [](const Bytes& der) { return ParsedCertificate::Parse(der).value(); };
  const CertificatePointer subject = parse(chain_.certificates[kRegional]);
  EXPECT_TRUE(subject->IsSignedBy(*parse(chain_.certificates[kRoot])));
  EXPECT_FALSE(subject->IsSignedBy(*parse(other.certificates[kRoot])));
  EXPECT_FALSE(subject->IsSignedBy(*parse(chain_.certificates[kZonal])));
  EXPECT_TRUE(subject->IsSignedBy(*parse(chain_.certificates[kRoot])));
}

TEST_F(RememberedCertificates, AreStillAskedWhatTheyMayBeUsedFor) {
  chain_.specs[kRegional].path_length = 1;
  chain_.Make();
  EXPECT_EQ(Reason(chain_), "path_length_exceeded");
  EXPECT_EQ(Reason(chain_), "path_length_exceeded");
}

TEST_F(RememberedCertificates, AreAFewHundredAtMost) {
  const auto key = cose::Es384Key::Generate();
  const cose::Issuer issuer = {chain_.keys[kInstance], chain_.certificates[kInstance]};
  CertificateMemory memory;
  const auto first = memory.Parse(chain_.Leaf()).value();
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(memory.Parse(chain_.Leaf()).value(), first) << "what is used stays";
    const Bytes der = cose::IssueCertificate(chain_.specs[kLeaf], key.PublicKey(), issuer).value();
    ASSERT_TRUE(memory.Parse(der));
    ASSERT_LE(memory.size(), 256U);
  }
  EXPECT_EQ(memory.size(), 256U);
}

TEST_F(RememberedCertificates, AreSharedByThreads) {
  const InsecureChain other(kNow);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        const bool good = Reason(i % 2 == 0 ? chain_ : other).empty();
        const bool expired = Reason(chain_, kNow + hours(4)) == "certificate_expired";
        if (!good || !expired) ++wrong;
        if (i == 0 && round % 5 == 0) ForgetCertificates();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace ephemeralml::verify
