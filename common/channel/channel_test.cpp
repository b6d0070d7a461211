#include "common/channel/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <signal.h>

#include <algorithm>
#include <iostream>

#include "common/channel/server_identity.h"
#include "common/channel/testing/channel_pair.h"
#include "common/wire/frame.h"

namespace ephemeralml::channel {
namespace {

TEST_F(ChannelPair, CarriesMessagesOfManySizes) {
  Open();
  // Full records begin and end where a frame's header of 8 bytes puts them.
  for (const size_t size : {0U, 1U, 4096U, 4097U, 16375U, 16376U, 16377U, 16384U, 16385U, 32760U,
                            32761U, 40'000U, 500'000U}) {
    Bytes message(size);
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<uint8_t>(i * 7 + i / 256);
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

TEST_F(ChannelPair, UpdatesKeysOfAnIdleConnectionAtOnce) {
  Open();
  ASSERT_TRUE(Exchange(Bytes(100, 1)));
  ASSERT_TRUE(server_->SendMessage(Bytes(100, 2), net::After(5000)));
  ASSERT_TRUE(server_->UpdateKeys(net::After(5000)));
  ASSERT_TRUE(client_->ReceiveMessage(kLimit, net::After(5000)));
  const size_t before = host_->to_server_;
  ASSERT_TRUE(client_->UpdateKeys(net::After(5000)));
  // The client's answer reaches the server, but isn't a message.
  EXPECT_EQ(server_->WaitForPeer(net::After(100)).error().reason, "deadline_exceeded");
  EXPECT_GT(host_->to_server_, before);
  EXPECT_TRUE(Exchange(Bytes(100, 3)));
  EXPECT_TRUE(sent_);
}

TEST_F(ChannelPair, DemandsTheKeyUpdateThatFollowsAReply) {
  Open();
  ASSERT_TRUE(server_->SendMessage(Bytes(100, 2), net::After(5000)));
  ASSERT_TRUE(client_->ReceiveMessage(kLimit, net::After(5000)));
  EXPECT_EQ(client_->UpdateKeys(net::After(20)).error().reason, "deadline_exceeded");
  ASSERT_TRUE(server_->SendMessage(Bytes(100, 2), net::After(5000)));
  EXPECT_EQ(client_->UpdateKeys(net::After(5000)).error().reason, "channel_broken");
}

TEST_F(ChannelPair, IsToBeReplacedAfterItsTimeOrBytes) {
  Open();
  ASSERT_TRUE(Exchange(Bytes(10'000, 1)));
  EXPECT_FALSE(client_->ShouldReplace());
  EXPECT_FALSE(client_->ShouldReplace({.bytes = 20'000}));
  EXPECT_TRUE(client_->ShouldReplace({.bytes = 10'000}));
  EXPECT_TRUE(server_->ShouldReplace({.bytes = 10'000}));
  EXPECT_TRUE(client_->ShouldReplace({.time = std::chrono::milliseconds(0)}));
  EXPECT_EQ(Lifetime().time, std::chrono::hours(1));
  EXPECT_EQ(Lifetime().bytes, uint64_t{64} << 30);
}

TEST_F(ChannelPair, AgreesOnTheHybridGroupWhereTheLibraryHasIt) {
  Open();
  EVP_KEYMGMT* const hybrid = EVP_KEYMGMT_fetch(nullptr, "X25519MLKEM768", nullptr);
  ERR_clear_error();
  std::cout << OpenSSL_version(OPENSSL_VERSION) << ": " << client_->KeyExchange() << "\n";
  EXPECT_EQ(client_->KeyExchange(), hybrid == nullptr ? "X25519" : "X25519MLKEM768");
  EXPECT_EQ(server_->KeyExchange(), client_->KeyExchange());
  EVP_KEYMGMT_free(hybrid);
}

TEST_F(ChannelPair, WaitsForTheNextMessageWithoutTakingIt) {
  Open();
  ASSERT_TRUE(client_->SendMessage(Bytes(100, 1), net::After(5000)));
  ASSERT_TRUE(server_->WaitForPeer(net::After(5000)));
  ASSERT_TRUE(server_->WaitForPeer(net::After(5000)));
  EXPECT_EQ(server_->ReceiveMessage(kLimit, net::After(5000))->size(), 100U);
}

TEST(Channel, RefusesPeersThatDontSpeakTls) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  auto [client, server] = SocketPair();
  ASSERT_TRUE(net::SendAll(client.Get(), AsBytes("GET / HTTP/1.1\r\n\r\n"), net::After(1000)));
  EXPECT_EQ(Channel::Accept(std::move(server), identity, net::After(1000)).error().reason,
            "channel_broken");
}

// Tries to agree on TLS 1.2 at the other end of a socket; the library's reason why it failed.
int ShakeHandsByTls12(SSL_CTX* context, const UniqueFd& socket, int (*shake_hands)(SSL*)) {
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) == 1);
  CHECK(fcntl(socket.Get(), F_SETFL, 0) == 0);  // blocking
  const tls::Connection connection(SSL_new(context));
  CHECK(SSL_set_fd(connection.get(), socket.Get()) == 1);
  ERR_clear_error();
  return shake_hands(connection.get()) == 1 ? 0 : ERR_GET_REASON(ERR_get_error());
}

TEST(Channel, RefusesPeersOfOlderTls) {
  CHECK(Initialize());
  (void)signal(SIGPIPE, SIG_IGN);
  const tls::Identity old_server = tls::MakeIdentity().value();
  const tls::Context old_client = tls::MakeContext(TLS_client_method()).value();
  for (const bool is_server : {true, false}) {
    auto [ours, theirs] = SocketPair();
    int reason = 0;
    std::thread peer([&, socket = std::move(theirs)] {
      reason = ShakeHandsByTls12(is_server ? old_server.context.get() : old_client.get(), socket,
                                 is_server ? &SSL_accept : &SSL_connect);
    });
    const ServerIdentity identity = ServerIdentity::Create().value();
    const auto channel = is_server ? Channel::Connect(std::move(ours), net::After(5000))
                                   : Channel::Accept(std::move(ours), identity, net::After(5000));
    EXPECT_FALSE(channel.has_value()) << is_server;
    if (!channel) {
      EXPECT_EQ(channel.error().reason, "channel_broken");
    }
    peer.join();
    // Told so, and not refused for what else it lacks.
    EXPECT_EQ(reason, is_server ? SSL_R_UNSUPPORTED_PROTOCOL : SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
  }
}

TEST(Channel, GivesSilentPeersUp) {
  const ServerIdentity identity = ServerIdentity::Create().value();
  auto [client, server] = SocketPair();
  EXPECT_EQ(Channel::Accept(std::move(server), identity, net::After(20)).error().reason,
            "deadline_exceeded");
}

TEST(Channel, SaysWhyItsSocketCantBeReached) {
  CHECK(Initialize());
  const auto unreachable = [] { return Result<UniqueFd>(Error{Code::kBusy, "enclave_busy", ""}); };
  EXPECT_EQ(Channel::Connect(unreachable, net::After(5000)).error().reason, "enclave_busy");
}

TEST(ServerIdentity, IsNewEveryTime) {
  EXPECT_NE(ServerIdentity::Create()->PublicKey(), ServerIdentity::Create()->PublicKey());
}

}  // namespace
}  // namespace ephemeralml::channel
