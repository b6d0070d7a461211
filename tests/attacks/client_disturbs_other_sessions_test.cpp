// A client, which the enclave trusts no more than the host, misbehaves: its own session ends, the
// others don't notice.

#include <list>
#include <random>

#include "client/session/messages.h"
#include "client/session/tunnel.h"
#include "common/wire/frame.h"
#include "tests/attacks/attacked.h"

namespace ephemeralml::attacks {
namespace {

constexpr int64_t kTimeoutMs = 30'000;

class ClientDisturbsOtherSessions : public testing::Test {
 protected:
  UniqueFd Tunnel() const {
    const auto settings = attacked_.system().Settings();
    return session::OpenTunnel(settings.host, settings.enclave_name, net::After(kTimeoutMs))
        .value();
  }
  // A channel of which the enclave has done all but get a request.
  channel::Channel Channel() const {
    return session::AskForEvidence(attacked_.system().Settings()).value().channel;
  }
  // What the enclave says to a message that the channel delivered; empty if it just ends.
  std::string ReasonFor(channel::Channel& channel) const {
    const auto bytes = channel.ReceiveMessage(wire::kLargestMessageBytes, net::After(kTimeoutMs));
    if (!bytes) return "";
    const auto answer = session::DecodeReply(*bytes);
    return answer ? "" : std::string(answer.error().reason);
  }
  void TearDown() override {
    EXPECT_EQ(Attacked::Ask(other_, model_), "");
    attacked_.ExpectHealthy(model_);
  }

  static System::Options Options() {
    System::Options options;
    options.enclave_arguments = {"--sessions", "3", "--handshake-timeout", "4000"};
    return options;
  }

  Attacked attacked_{Options()};
  SmallModel model_ = attacked_.Make(1);
  session::Session other_ = attacked_.Connect();
};

TEST_F(ClientDisturbsOtherSessions, WithGarbageInPlaceOfAHandshake) {
  std::mt19937_64 random(20240605);
  for (const size_t size : {1, 5, 300, 70'000}) {
    const UniqueFd tunnel = Tunnel();
    Bytes garbage(size);
    for (uint8_t& byte : garbage) byte = static_cast<uint8_t>(random());
    (void)net::SendAll(tunnel.Get(), garbage, net::After(kTimeoutMs));
    EXPECT_EQ(Attacked::Ask(other_, model_), "");
  }
}

TEST_F(ClientDisturbsOtherSessions, WithHandshakesThatNeverEndInEveryFreePlace) {
  std::list<UniqueFd> tunnels;
  for (int i = 0; i < 6; ++i) tunnels.push_back(Tunnel());
  EXPECT_EQ(Attacked::Ask(other_, model_), "");
  // Newcomers wait until the enclave has lost its patience: three places, and this one holds one.
  EXPECT_TRUE(attacked_.system().Connect());
}

TEST_F(ClientDisturbsOtherSessions, WithAFrameThatClaimsToBeHuge) {
  constexpr size_t kMessageBytes = wire::kLargestMessageBytes + 1;
  Bytes header;
  AppendU32BigEndian(header, static_cast<uint32_t>(wire::PaddedLength(kMessageBytes)));
  AppendU32BigEndian(header, static_cast<uint32_t>(kMessageBytes));
  channel::Channel channel = Channel();
  ASSERT_TRUE(channel.SendRaw(header, net::After(kTimeoutMs)));
  EXPECT_EQ(ReasonFor(channel), "message_too_large");
}

TEST_F(ClientDisturbsOtherSessions, WithAFrameWhoseLengthsDisagree) {
  channel::Channel channel = Channel();
  ASSERT_TRUE(channel.SendRaw(Bytes(wire::kFrameHeaderBytes, 0xff), net::After(kTimeoutMs)));
  EXPECT_EQ(ReasonFor(channel), "message_too_large");
}

TEST_F(ClientDisturbsOtherSessions, WithARequestThatIsGarbage) {
  channel::Channel channel = Channel();
  ASSERT_TRUE(channel.SendMessage(Bytes(100, 0xff), net::After(kTimeoutMs)));
  EXPECT_EQ(ReasonFor(channel), "request_malformed");
}

TEST_F(ClientDisturbsOtherSessions, ByGoingAwayInMidRequest) {
  channel::Channel channel = Channel();
  ASSERT_TRUE(channel.SendRaw(wire::EncodeFrameHeader(1 << 20), net::After(kTimeoutMs)));
  ASSERT_TRUE(channel.SendRaw(Bytes(1000), net::After(kTimeoutMs)));
}

}  // namespace
}  // namespace ephemeralml::attacks
