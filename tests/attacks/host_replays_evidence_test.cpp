// The host shows a client evidence that a real enclave made at another time, or for another
// challenge. It gets such evidence by asking: anybody may connect to an enclave.

#include <mutex>

#include "tests/attacks/attacked.h"
#include "tests/attacks/fake_enclave.h"

namespace ephemeralml::attacks {
namespace {

class HostReplaysEvidence : public testing::Test {
 protected:
  // The host's enclave is now `fake`.
  std::string_view ReasonAt(const FakeEnclave& fake) {
    tunnel_.SetTarget(fake.port());
    const int shown = fake.shown();
    const auto session = attacked_.system().Connect();
    EXPECT_EQ(fake.shown(), shown + 1);
    EXPECT_EQ(fake.trusted(), 0);
    return session ? "" : session.error().reason;
  }
  Bytes Ask(const channel::Nonce& nonce) const {
    return AskEnclave(attacked_.system().enclave_port(), nonce);
  }
  void TearDown() override {
    tunnel_.SetTarget(attacked_.system().enclave_port());
    attacked_.ExpectHealthy(attacked_.Make(1));
  }

  testing_support::Proxy tunnel_;
  Attacked attacked_{ThroughTunnel(tunnel_)};
};

TEST_F(HostReplaysEvidence, RecordedFromASessionOfItsOwn) {
  channel::Nonce own;
  own.fill(7);
  const Bytes recorded = Ask(own);
  const FakeEnclave fake([&](const channel::Nonce&) { return recorded; });
  EXPECT_EQ(ReasonAt(fake), "nonce_mismatch");
}

TEST_F(HostReplaysEvidence, ThatItGotForTheSameClientsEarlierChallenge) {
  Bytes recorded;
  const FakeEnclave fake([&](const channel::Nonce& nonce) {
    if (recorded.empty()) recorded = Ask(nonce);
    return recorded;
  });
  EXPECT_EQ(ReasonAt(fake), "key_mismatch");
  EXPECT_EQ(ReasonAt(fake), "nonce_mismatch");
}

TEST_F(HostReplaysEvidence, ThatItAskedForAfreshWithAnotherChallenge) {
  const FakeEnclave fake([&](const channel::Nonce& nonce) {
    channel::Nonce other = nonce;
    other.back() ^= 1;
    return Ask(other);
  });
  EXPECT_EQ(ReasonAt(fake), "nonce_mismatch");
}

}  // namespace
}  // namespace ephemeralml::attacks
