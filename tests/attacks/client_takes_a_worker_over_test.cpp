// A client that has taken its worker over wants evidence for a key of its own, to pose as an
// enclave to others. The real supervisor, and workers that do the attacker's will: rogue_enclave.

#include <signal.h>

#include "common/channel/channel.h"
#include "common/wire/frame.h"
#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

constexpr int64_t kTimeoutMs = 30'000;

class RogueEnclave {
 public:
  explicit RogueEnclave(const char* conduct, const std::filesystem::path& state = {})
      : process_(
            {EPHEMERAL_ROGUE_ENCLAVE, state.empty() ? folder_.path() / "state" : state, conduct},
            folder_.path() / "rogue.log"),
        port_(process_.ListeningPort(kTimeoutMs)) {
    CHECK(port_ != 0);
  }

  uint16_t port() const { return port_; }
  testing_support::Process& process() { return process_; }

  // What a client of the attacker's does: everything but to check evidence.
  void SendAModel(bool waits_for_evidence) const {
    CHECK(channel::Initialize());
    const net::Deadline deadline = net::After(kTimeoutMs);
    auto channel = channel::Channel::Connect(testing_support::Dial(port_), deadline).value();
    CHECK(channel.SendRaw(channel::Nonce(), deadline));
    if (waits_for_evidence) CHECK(channel.ReceiveMessage(size_t{1} << 20, deadline));
    CHECK(channel.SendMessage(Bytes(100, 7), deadline));
    (void)channel.ReceiveMessage(size_t{1} << 20, deadline);  // until the worker is gone
  }

 private:
  testing_support::TemporaryFolder folder_;
  testing_support::Process process_;
  uint16_t port_;
};

void ExpectKilledWithoutEvidence(RogueEnclave& enclave) {
  testing_support::Process& process = enclave.process();
  EXPECT_TRUE(process.WaitForLog("worker_killed", kTimeoutMs)) << process.Log();
  EXPECT_TRUE(process.WaitForLog("worker_died", kTimeoutMs)) << process.Log();
  const std::string log = process.Log();
  EXPECT_NE(log.find("rogue_has_a_model"), std::string::npos) << log;
  EXPECT_NE(log.find("worker_broke_protocol"), std::string::npos) << log;
  EXPECT_EQ(log.find("rogue_got_evidence"), std::string::npos) << log;
  EXPECT_TRUE(process.IsRunning());
}

TEST(ClientTakesAWorkerOver, WhichAsksForASecondDocument) {
  RogueEnclave enclave("2");
  enclave.SendAModel(true);
  ExpectKilledWithoutEvidence(enclave);
  enclave.SendAModel(true);  // the next session gets its own worker and its own document
}

TEST(ClientTakesAWorkerOver, WhichAsksForItsFirstDocumentAfterAModelCame) {
  RogueEnclave enclave("3");
  enclave.SendAModel(false);
  ExpectKilledWithoutEvidence(enclave);
}

TEST(ClientTakesAWorkerOver, WhichAsksForItsFirstDocumentAfterItOrderedABlob) {
  RogueEnclave enclave("4");
  enclave.SendAModel(false);
  ExpectKilledWithoutEvidence(enclave);
}

// The same development CA, other code: a client whose enclave is replaced by it must not go on.
TEST(HostReplacesTheEnclave, WithOneOfOtherMeasurements) {
  testing_support::Proxy tunnel;
  Attacked attacked(ThroughTunnel(tunnel));
  const System& system = attacked.system();
  tunnel.SetTarget(system.enclave_port());
  const SmallModel model = attacked.Make(1);
  const pid_t worker = system.SpareWorker();
  auto session =
      session::LastingSession::Open(system.Settings(), system.Policy(), system.Root()).value();
  ASSERT_EQ(Attacked::Ask(session, model), "");
  RogueEnclave other("1", system.folder() / "enclave");
  tunnel.SetTarget(other.port());
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  EXPECT_EQ(Attacked::Ask(session, model), "measurement_mismatch");
  EXPECT_EQ(session.replacements(), 0);
  tunnel.SetTarget(system.enclave_port());
  EXPECT_EQ(Attacked::Ask(session, model), "");
  EXPECT_EQ(session.replacements(), 1);
  EXPECT_EQ(other.process().Log().find("rogue_has_a_model"), std::string::npos);
}

}  // namespace
}  // namespace ephemeralml::attacks
