#include "common/channel/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "common/wire/frame.h"

namespace ephemeralml::channel {
namespace {

constexpr size_t kLimit = 1 << 20;

std::pair<UniqueFd, UniqueFd> SocketPair() {
  std::array<int, 2> fds = {};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// A host between the two ends: passes bytes on through `edit`, counts them in each direction.
class Host {
 public:
  using Edit = std::function<void(bool to_server, size_t offset, MutableByteSpan)>;
  explicit Host(Edit edit = {}) : edit_(std::move(edit)) {
    auto [client, client_far] = SocketPair();
    auto [server, server_far] = SocketPair();
    client_ = std::move(client);
    server_ = std::move(server);
    up_ = std::thread(
        [this, from = client_far.Get(), to = server_far.Get()] { Pump(from, to, true); });
    down_ = std::thread(
        [this, from = server_far.Get(), to = client_far.Get()] { Pump(from, to, false); });
    client_far_ = std::move(client_far);
    server_far_ = std::move(server_far);
  }
  ~Host() {
    Cut();
    up_.join();
    down_.join();
  }
  void Cut() {
    (void)shutdown(client_far_.Get(), SHUT_RDWR);
    (void)shutdown(server_far_.Get(), SHUT_RDWR);
  }
  UniqueFd TakeClient() { return std::move(client_); }
  UniqueFd TakeServer() { return std::move(server_); }
  std::atomic<size_t> to_server_ = 0;
  std::atomic<size_t> to_client_ = 0;

 private:
  void Pump(int from, int to, bool to_server) {
    std::array<uint8_t, 4096> buffer;
    std::atomic<size_t>& passed = to_server ? to_server_ : to_client_;
    for (;;) {
      const auto count = net::ReceiveSome(from, buffer, net::After(10'000));
      if (!count || *count == 0) break;
      const MutableByteSpan bytes = MutableByteSpan(buffer).first(*count);
      if (edit_) edit_(to_server, passed, bytes);
      passed += *count;
      if (!net::SendAll(to, bytes, net::After(10'000))) break;
    }
    (void)shutdown(to, SHUT_WR);
  }

  Edit edit_;
  UniqueFd client_, server_, client_far_, server_far_;
  std::thread up_, down_;
};

struct Ends {
  std::optional<Result<Channel>> client;
  std::optional<Result<Channel>> server;
};

Ends Handshake(UniqueFd client, UniqueFd server, const ServerIdentity& identity,
               int64_t timeout_ms = 5000) {
  CHECK(Initialize().has_value());
  Ends ends;
  std::thread thread([&] {
    ends.server.emplace(Channel::Accept(std::move(server), identity, net::After(timeout_ms)));
  });
  ends.client.emplace(Channel::Connect(std::move(client), net::After(timeout_ms)));
  thread.join();
  return ends;
}

class ChannelPair : public testing::Test {
 protected:
  void Open(Host::Edit edit = {}) {
    host_.emplace(std::move(edit));
    Ends ends = Handshake(host_->TakeClient(), host_->TakeServer(), identity_);
    ASSERT_TRUE(ends.client->has_value() && ends.server->has_value());
    client_.emplace(std::move(**ends.client));
    server_.emplace(std::move(**ends.server));
  }
  Result<SecretBytes> Exchange(ByteSpan message, size_t limit = kLimit) {
    std::thread thread([&] { sent_ = client_->SendMessage(message, net::After(5000)); });
    Result<SecretBytes> received = server_->ReceiveMessage(limit, net::After(5000));
    thread.join();
    return received;
  }

  ServerIdentity identity_ = ServerIdentity::Create().value();
  std::optional<Host> host_;
  std::optional<Channel> client_;
  std::optional<Channel> server_;
  Done sent_;
};

TEST_F(ChannelPair, CarriesMessagesOfManySizes) {
  Open();
  for (const size_t size : {0U, 1U, 4096U, 4097U, 16384U, 16385U, 500'000U}) {
    const Bytes message(size, 0x5a);
    const SecretBytes received = Exchange(message).value();
    EXPECT_TRUE(std::ranges::equal(received.Reveal(), message)) << size;
  }
}

TEST_F(ChannelPair, EndsAgreeOnKeyAndExporter) {
  Open();
  EXPECT_EQ(client_->ServerPublicKey(), identity_.PublicKey());
  EXPECT_EQ(server_->ServerPublicKey(), identity_.PublicKey());
  EXPECT_EQ(client_->Exporter(), server_->Exporter());
}

TEST_F(ChannelPair, ExporterIsOfOneConnectionAlone) {
  Open();
  const ExporterBinding first = client_->Exporter();
  client_.reset();
  server_.reset();
  Open();
  EXPECT_NE(client_->Exporter(), first);
}

TEST_F(ChannelPair, MessagesOfOneBucketLookAlike) {
  size_t bytes_of_first = 0;
  for (const size_t size : {20'000U, 20'100U}) {
    ASSERT_EQ(wire::PaddedLength(size), wire::PaddedLength(20'100));
    Open();
    const size_t before = host_->to_server_;
    ASSERT_TRUE(Exchange(Bytes(size, 1)));
    const size_t on_the_wire = host_->to_server_ - before;
    if (bytes_of_first == 0) bytes_of_first = on_the_wire;
    EXPECT_EQ(on_the_wire, bytes_of_first);
    client_.reset();
    server_.reset();
  }
}

TEST_F(ChannelPair, RefusesEditedBytes) {
  for (const bool to_server : {true, false}) {
    std::atomic<bool> armed = false;
    Open([&](bool upward, size_t, MutableByteSpan bytes) {
      if (armed && upward == to_server) bytes[bytes.size() / 2] ^= 1;
    });
    armed = true;
    Channel& sender = to_server ? *client_ : *server_;
    Channel& receiver = to_server ? *server_ : *client_;
    ASSERT_TRUE(sender.SendMessage(Bytes(1000, 1), net::After(5000)));
    const auto received = receiver.ReceiveMessage(kLimit, net::After(5000));
    EXPECT_EQ(received.error().reason, "channel_broken");
    EXPECT_EQ(receiver.SendRaw(Bytes{1}, net::After(1000)).error().reason, "channel_broken");
    client_.reset();
    server_.reset();
    host_.reset();
  }
}

TEST_F(ChannelPair, TellsACutFromAProperEnd) {
  Open();
  client_->Close();
  EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(5000)).error().reason, "channel_closed");
  client_.reset();
  server_.reset();
  Open();
  host_->Cut();
  EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(5000)).error().reason, "channel_broken");
}

TEST_F(ChannelPair, RefusesMessagesOverTheLimit) {
  Open();
  EXPECT_EQ(Exchange(Bytes(2000, 1), 1999).error().reason, "message_too_large");
}

TEST_F(ChannelPair, WaitsNoLongerThanToldFor) {
  Open();
  EXPECT_EQ(server_->WaitForPeer(net::After(20)).error().reason, "deadline_exceeded");
  EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(20)).error().reason, "deadline_exceeded");
}

TEST_F(ChannelPair, GoesOnAfterKeyUpdatesBothWays) {
  Open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Exchange(Bytes(100, 1)));
    ASSERT_TRUE(server_->SendMessage(Bytes(100, 2), net::After(5000)));
    ASSERT_TRUE(server_->UpdateKeys(net::After(5000)));
    ASSERT_TRUE(client_->ReceiveMessage(kLimit, net::After(5000)));
  }
  EXPECT_FALSE(client_->ShouldReplace());
}

TEST(Channel, RefusesPeersThatDontSpeakTls) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  auto [client, server] = SocketPair();
  ASSERT_TRUE(net::SendAll(client.Get(), AsBytes("GET / HTTP/1.1\r\n\r\n"), net::After(1000)));
  EXPECT_EQ(Channel::Accept(std::move(server), identity, net::After(1000)).error().reason,
            "channel_broken");
}

TEST(Channel, GivesSilentPeersUp) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  auto [client, server] = SocketPair();
  EXPECT_EQ(Channel::Accept(std::move(server), identity, net::After(20)).error().reason,
            "deadline_exceeded");
}

TEST(ServerIdentity, IsNewEveryTime) {
  EXPECT_NE(ServerIdentity::Create()->PublicKey(), ServerIdentity::Create()->PublicKey());
}

}  // namespace
}  // namespace ephemeralml::channel
