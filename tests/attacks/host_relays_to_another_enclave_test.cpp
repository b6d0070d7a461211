// The host connects a client to something else than the enclave that it asked for: to itself with
// the enclave's live evidence in its hands, to an enclave of another platform, or of other code.

#include <random>

#include "tests/attacks/attacked.h"
#include "tests/attacks/fake_enclave.h"

namespace ephemeralml::attacks {
namespace {

std::string_view ReasonOf(const Result<session::Session>& session) {
  return session ? "" : session.error().reason;
}

// The enclave's own policy with one bit of one register turned.
verify::Policy WithOtherBit(const verify::Policy& policy, uint8_t pcr, size_t bit) {
  verify::MeasurementSet set = policy.measurements().at(0);
  set.pcrs.at(pcr)[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  return verify::Policy::Parse(verify::ToToml(set), verify::TrustOnFirstUse::kAllowed).value();
}

class HostRelaysToAnotherEnclave : public testing::Test {
 protected:
  System& system() { return attacked_.system(); }
  void TearDown() override {
    tunnel_.SetTarget(system().enclave_port());
    tunnel_.SetAttack({});
    attacked_.ExpectHealthy(attacked_.Make(1));
  }

  testing_support::Proxy tunnel_;
  Attacked attacked_{ThroughTunnel(tunnel_)};
};

TEST_F(HostRelaysToAnotherEnclave, OnceInTheMiddleWithTheClientsOwnLiveEvidence) {
  const FakeEnclave fake(
      [&](const channel::Nonce& nonce) { return AskEnclave(system().enclave_port(), nonce); });
  tunnel_.SetTarget(fake.port());
  verify::Report report;
  EXPECT_EQ(ReasonOf(system().Connect(&report)), "key_mismatch");
  ASSERT_NE(report.FirstFailure(), nullptr);
  EXPECT_EQ(report.FirstFailure()->reason, "key_mismatch");
  EXPECT_EQ(fake.shown(), 1);
  EXPECT_EQ(fake.trusted(), 0);
}

TEST_F(HostRelaysToAnotherEnclave, UnderAnotherDevelopmentCa) {
  Attacked other;
  tunnel_.SetTarget(other.system().enclave_port());
  EXPECT_EQ(ReasonOf(system().Connect()), "root_mismatch");
  other.ExpectHealthy(other.Make(1));
}

TEST_F(HostRelaysToAnotherEnclave, WhoseMeasurementsDifferInOneBit) {
  tunnel_.SetTarget(system().enclave_port());
  const verify::Policy policy = system().Policy();
  std::mt19937_64 random(20240602);
  for (const uint8_t pcr : {uint8_t{0}, uint8_t{1}, uint8_t{2}}) {
    for (const size_t bit : {size_t{0}, size_t{random() % (48 * 8)}, size_t{48 * 8 - 1}}) {
      SCOPED_TRACE("PCR" + std::to_string(pcr) + ", bit " + std::to_string(bit));
      const auto session = session::Session::Open(system().Settings(),
                                                  WithOtherBit(policy, pcr, bit), system().Root());
      EXPECT_EQ(ReasonOf(session), "measurement_mismatch");
    }
  }
}

}  // namespace
}  // namespace ephemeralml::attacks
