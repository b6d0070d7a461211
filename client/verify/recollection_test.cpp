#include "client/verify/recollection.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "client/verify/chain.h"
#include "client/verify/parsed_certificate.h"
#include "client/verify/testing/insecure_nitro.h"

namespace ephemeralml::verify {
namespace {

const Time kNow = Time(std::chrono::sys_days(std::chrono::year(2026) / 5 / 17));
constexpr uint64_t kLinks = kLeaf;  // one signature below the root for each certificate

class RecollectionTest : public testing::Test {
 protected:
  RecollectionTest() { ForgetCertificates(); }

  // Signatures checked since this was made.
  uint64_t Checked() const { return ParsedCertificate::SignaturesChecked() - before_; }
  void Recall() const { Recollection(bundle_, chain_.Leaf()).Finish(); }

  InsecureChain chain_ = InsecureChain(kNow);
  std::vector<Bytes> bundle_ = chain_.Bundle();
  uint64_t before_ = ParsedCertificate::SignaturesChecked();
};

TEST_F(RecollectionTest, LeavesVerifyChainNoSignatureToCheck) {
  Recall();
  EXPECT_EQ(Checked(), kLinks);
  EXPECT_TRUE(chain_.Verify(kNow));
  EXPECT_EQ(Checked(), kLinks);
}

TEST_F(RecollectionTest, AsksNothingTwice) {
  Recall();
  Recall();
  EXPECT_EQ(Checked(), kLinks);
}

TEST_F(RecollectionTest, JudgesNothing) {
  InsecureChain other(kNow);
  for (size_t place = kRoot; place <= kInstance; ++place) {
    bundle_ = chain_.Bundle();
    bundle_[place] = other.certificates[place];
    Recall();
    EXPECT_EQ(VerifyChain(bundle_, chain_.Leaf(), kNow).error().reason, "chain_untrusted");
    bundle_[place] = Bytes(64);
    Recall();
    EXPECT_EQ(VerifyChain(bundle_, chain_.Leaf(), kNow).error().reason, "certificate_malformed");
  }
}

TEST_F(RecollectionTest, MayBeDroppedUnfinished) {
  { const Recollection dropped(bundle_, chain_.Leaf()); }
  EXPECT_TRUE(chain_.Verify(kNow));
}

TEST_F(RecollectionTest, LeavesItsCallerWhereItMayRun) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  Recall();
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace ephemeralml::verify
