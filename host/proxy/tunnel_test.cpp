// The tunnel, through the real server.

#include "host/proxy/tunnel.h"

#include <rapidcheck.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "host/proxy/testing/fake_enclave.h"
#include "host/proxy/testing/server_fixture.h"

namespace ephemeralml::proxy {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::FakeEnclave;
using testing::HttpPeer;
using testing::MakeRequest;
using testing::RandomText;
using testing::ReceiveAll;
using testing::Received;
using testing::ReceiveText;
using testing::RunningServer;
using testing::SendText;

class TunnelTest : public ::testing::Test {
 protected:
  TunnelTest() : TunnelTest(ServerSettings()) {}
  explicit TunnelTest(ServerSettings settings) : server_(Dialling(std::move(settings)), {}) {}

  ServerSettings Dialling(ServerSettings settings) {
    settings.enclave.port = enclave_.port();
    return settings;
  }
  static std::string Connect(std::string_view target) { return MakeRequest("CONNECT", target); }
  // Opens a tunnel and takes its other end.
  UniqueFd Open(HttpPeer& peer) {
    CHECK(peer.Ask(Connect("enclave:8082"), false).status == 200);
    return enclave_.Accept();
  }

  FakeEnclave enclave_;
  RunningServer server_;
};

// Sends in pieces of random sizes, now and then pausing, and ends.
void SendInPieces(int fd, std::string_view text, unsigned seed) {
  std::mt19937 random(seed);
  while (!text.empty()) {
    const size_t most = random() % 4 == 0 ? 100'000 : 2'000;
    const std::string_view piece = text.substr(0, 1 + random() % most);
    CHECK(net::SendAll(fd, AsBytes(piece), net::After(testing::kPatienceMs)).has_value());
    text.remove_prefix(piece.size());
    if (random() % 64 == 0) std::this_thread::yield();
  }
  CHECK(shutdown(fd, SHUT_WR) == 0);
}

// Host's files, names and contents: what the tunnel might have stored.
std::string Snapshot(const std::filesystem::path& folder) {
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    all += entry.path().string();
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path());
    all.append(std::istreambuf_iterator<char>(file), {});
  }
  return all;
}

class Property8_Transparency : public TunnelTest {
 protected:
  void CheckOneTunnel() {
    const auto up_bytes = *rc::gen::inRange<size_t>(0, 3'000'000);
    const auto down_bytes = *rc::gen::inRange<size_t>(0, 3'000'000);
    const auto seed = *rc::gen::arbitrary<unsigned>();
    const std::string before = Snapshot(server_.folder());
    const std::string up = RandomText(up_bytes, seed);
    const std::string down = RandomText(down_bytes, seed + 1);
    HttpPeer peer(server_.port());
    const UniqueFd enclave = Open(peer);
    Received at_enclave;
    std::thread up_sender([&] { SendInPieces(peer.fd(), up, seed + 2); });
    std::thread down_sender([&] { SendInPieces(enclave.Get(), down, seed + 3); });
    std::thread receiver([&] { at_enclave = ReceiveAll(enclave); });
    const std::string at_client = peer.ReceiveRest();
    up_sender.join();
    down_sender.join();
    receiver.join();
    RC_ASSERT(at_enclave.was_ended);
    RC_ASSERT(at_enclave.text == up);
    RC_ASSERT(at_client == down);
    RC_ASSERT(Snapshot(server_.folder()) == before);
  }
};

TEST_F(Property8_Transparency, TunnelDeliversBytesUnchangedInOrderAndStoresNone) {
  (void)setenv("RC_PARAMS", "seed=8",
               0);  // the same cases every time, unless somebody asks for others
  EXPECT_TRUE(rc::check([this] { CheckOneTunnel(); }));
}

TEST_F(TunnelTest, EchoesSeveralMegabytes) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  const std::string text = RandomText(8'000'000, 1);
  std::thread echo([&] {
    Bytes piece(10'000);
    while (true) {
      const auto count = net::ReceiveSome(enclave.Get(), piece, net::After(testing::kPatienceMs));
      if (!count || *count == 0) break;
      SendText(enclave, AsText(ByteSpan(piece).first(*count)));
    }
    CHECK(shutdown(enclave.Get(), SHUT_WR) == 0);
  });
  std::thread sender([&] { SendInPieces(peer.fd(), text, 2); });
  EXPECT_TRUE(peer.ReceiveRest() == text);
  sender.join();
  echo.join();
}

TEST_F(TunnelTest, GoesToTheConfiguredNameAlone) {
  for (const std::string_view target :
       {"enclave:8083", "enclave", "Enclave:8082", "127.0.0.1:8082", "enclave:8082.", "other:443",
        "[::1]:8082", "user@enclave:8082"}) {
    HttpPeer peer(server_.port());
    const Answer answer = peer.Ask(Connect(target));
    EXPECT_EQ(answer.status, 403U) << target;
    EXPECT_EQ(answer.Reason(), "tunnel_target_forbidden") << target;
    EXPECT_TRUE(peer.HasEnded());
  }
  // Its own address is no name either: where it is dialled is another setting.
  HttpPeer peer(server_.port());
  EXPECT_EQ(peer.Ask(Connect("127.0.0.1:" + std::to_string(enclave_.port()))).status, 403U);
  EXPECT_FALSE(enclave_.IsCalled(100));
}

TEST_F(TunnelTest, TakesNothingBehindARefusalForARequest) {
  HttpPeer peer(server_.port());
  EXPECT_EQ(peer.Ask(Connect("other:1") + MakeRequest("GET", "/healthz")).status, 403U);
  EXPECT_TRUE(peer.HasEnded());
}

TEST_F(TunnelTest, CarriesWhatTheClientSentWithItsRequest) {
  HttpPeer peer(server_.port());
  peer.Send(Connect("enclave:8082") + "early");
  const UniqueFd enclave = enclave_.Accept();
  EXPECT_EQ(ReceiveText(enclave, 5), "early");
  EXPECT_EQ(peer.Receive(false).status, 200U);
  peer.Send(" bird");
  EXPECT_EQ(ReceiveText(enclave, 5), " bird");
}

TEST_F(TunnelTest, AnswersWithoutALength) {
  HttpPeer peer(server_.port());
  const Answer answer = peer.Ask(Connect("enclave:8082"), false);
  EXPECT_TRUE(answer.headers.empty());
}

TEST_F(TunnelTest, StaysOpenForTheEnclaveWhenTheClientHasEnded) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  peer.Send("question");
  peer.EndSending();
  const Received received = ReceiveAll(enclave);
  EXPECT_EQ(received.text, "question");
  EXPECT_TRUE(received.was_ended);
  SendText(enclave, "answer");
  EXPECT_EQ(peer.ReceiveBytes(6), "answer");
  CHECK(shutdown(enclave.Get(), SHUT_WR) == 0);
  EXPECT_TRUE(peer.HasEnded());
}

TEST_F(TunnelTest, StaysOpenForTheClientWhenTheEnclaveHasEnded) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  CHECK(shutdown(enclave.Get(), SHUT_WR) == 0);
  EXPECT_TRUE(peer.HasEnded());
  peer.Send("question");
  EXPECT_EQ(ReceiveText(enclave, 8), "question");
  peer.EndSending();
  EXPECT_TRUE(ReceiveAll(enclave).was_ended);
}

TEST_F(TunnelTest, PassesAResetOn) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  peer.Reset();
  EXPECT_FALSE(ReceiveAll(enclave).was_ended);
}

TEST_F(TunnelTest, ResetsTheClientWhenTheEnclaveBreaksOff) {
  HttpPeer peer(server_.port());
  UniqueFd enclave = Open(peer);
  const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  CHECK(setsockopt(enclave.Get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  enclave.Reset();
  uint8_t byte = 0;
  const auto received =
      net::ReceiveSome(peer.fd(), MutableByteSpan(&byte, 1), net::After(testing::kPatienceMs));
  EXPECT_EQ(received.error().reason, "connection_lost");
}

TEST_F(TunnelTest, SlowsASenderDownToItsReader) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  const std::string piece(1 << 20, 'x');
  size_t sent = 0;
  while (net::WaitWritable(peer.fd(), net::After(500)).has_value()) {
    const ssize_t count = send(peer.fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<size_t>(count);
    ASSERT_LT(sent, size_t{200} << 20) << "somebody buffers without end";
  }
  peer.EndSending();
  EXPECT_EQ(ReceiveAll(enclave).text.size(), sent);
}

TEST_F(TunnelTest, SaysSoWhenTheEnclaveIsUnreachable) {
  uint16_t unused = 0;
  { unused = FakeEnclave().port(); }
  ServerSettings settings;
  settings.enclave.port = unused;
  RunningServer server(settings, {});
  HttpPeer peer(server.port());
  const Answer answer = peer.Ask(Connect("enclave:8082"));
  EXPECT_EQ(answer.status, 502U);
  EXPECT_EQ(answer.Reason(), "enclave_unreachable");
  settings.enclave = {"no-such-host.invalid", 1};
  RunningServer nowhere(settings, {});
  EXPECT_EQ(HttpPeer(nowhere.port()).Ask(Connect("enclave:8082")).status, 502U);
}

class IdleTunnel : public TunnelTest {
 protected:
  IdleTunnel() : TunnelTest(ServerSettings{.tunnel_idle_timeout = milliseconds(3000)}) {}
};

TEST_F(IdleTunnel, IsCutAtBothEnds) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  EXPECT_TRUE(peer.HasEnded());
  EXPECT_FALSE(ReceiveAll(enclave).was_ended);
}

TEST_F(IdleTunnel, LivesAsLongAsSomethingMoves) {
  HttpPeer peer(server_.port());
  const UniqueFd enclave = Open(peer);
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(milliseconds(100));
    SendText(enclave, "x");
    EXPECT_EQ(peer.ReceiveBytes(1), "x");
  }
}

}  // namespace
}  // namespace ephemeralml::proxy
