// The host's moves against the binding of evidence to a connection: it has the victim enclave's
// real, fresh evidence for the client's own nonce, and shows it on a connection that isn't the
// enclave's.

#include <sys/socket.h>

#include <array>
#include <thread>

#include "common/channel/channel.h"
#include "tests/attestation/platform.h"

namespace ephemeralml {
namespace {

using channel::Channel;
using channel::ServerIdentity;

constexpr int64_t kTimeoutMs = 10'000;

std::pair<UniqueFd, UniqueFd> SocketPair() {
  std::array<int, 2> fds = {};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

struct Connection {
  Channel client;
  Channel server;
};

Connection Connect(const ServerIdentity& identity) {
  CHECK(channel::Initialize().has_value());
  auto [client, server] = SocketPair();
  std::optional<Result<Channel>> accepted;
  std::thread thread([&, socket = std::move(server)]() mutable {
    accepted.emplace(Channel::Accept(std::move(socket), identity, net::After(kTimeoutMs)));
  });
  Result<Channel> connected = Channel::Connect(std::move(client), net::After(kTimeoutMs));
  thread.join();
  return {std::move(connected).value(), std::move(*accepted).value()};
}

class HostRelaysEvidence : public Platform {
 protected:
  void SetUp() override {
    Platform::SetUp();
    nonce_.fill(7);
  }

  // What the enclave answers on its end of `connection`.
  Bytes EvidenceFor(const Channel& enclave_end) {
    return attester_
        ->Attest(enclave_end.ServerPublicKey(), nonce_, UserDataFor(enclave_end.Exporter()))
        .value();
  }

  verify::Expectations ExpectationsAt(const Channel& client_end) const {
    return {nonce_, client_end.ServerPublicKey(), client_end.Exporter()};
  }

  channel::Nonce nonce_;
};

TEST_F(HostRelaysEvidence, TheEnclavesOwnConnectionIsAccepted) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  const Connection connection = Connect(identity);
  EXPECT_EQ(Reason(EvidenceFor(connection.server), ExpectationsAt(connection.client)), "");
}

TEST_F(HostRelaysEvidence, AManInTheMiddleWithHisOwnKeyIsRefused) {
  const ServerIdentity enclave = ServerIdentity::Create().value();
  const ServerIdentity host = ServerIdentity::Create().value();
  const Connection of_client = Connect(host);      // the client meets the host's key
  const Connection of_enclave = Connect(enclave);  // the host asks the enclave in its place
  EXPECT_EQ(Reason(EvidenceFor(of_enclave.server), ExpectationsAt(of_client.client)),
            "key_mismatch");
}

TEST_F(HostRelaysEvidence, EvidenceOfAnotherConnectionUnderTheSameKeyAndNonceIsRefused) {
  const ServerIdentity reused = ServerIdentity::Create().value();
  const Connection first = Connect(reused);
  const Connection second = Connect(reused);
  EXPECT_EQ(first.client.ServerPublicKey(), second.client.ServerPublicKey());
  EXPECT_EQ(Reason(EvidenceFor(first.server), ExpectationsAt(second.client)), "binding_mismatch");
}

TEST_F(HostRelaysEvidence, EvidenceForAnEarlierNonceIsRefused) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  const Connection connection = Connect(identity);
  const Bytes replayed = EvidenceFor(connection.server);
  nonce_.fill(8);
  EXPECT_EQ(Reason(replayed, ExpectationsAt(connection.client)), "nonce_mismatch");
}

}  // namespace
}  // namespace ephemeralml
