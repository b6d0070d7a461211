#include "host/proxy/server.h"

#include <chrono>
#include <thread>

#include "host/proxy/testing/fake_enclave.h"
#include "host/proxy/testing/server_fixture.h"

namespace ephemeralml::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::FakeEnclave;
using testing::HttpPeer;
using testing::MakeRequest;
using testing::RandomText;
using testing::ReceiveText;
using testing::RunningServer;
using testing::SendText;

constexpr std::string_view kBlob = "/v1/blobs/00112233445566778899aabbccddeeff";

class ServerTest : public ::testing::Test {
 protected:
  ServerSettings Settings(milliseconds drain_timeout) {
    ServerSettings settings;
    settings.enclave.port = enclave_.port();
    settings.drain_timeout = drain_timeout;
    return settings;
  }
  static void AwaitRed(uint16_t port) {
    unsigned status = 200;
    for (int i = 0; i < 1000 && status != 503; ++i) {
      status = HttpPeer(port).Ask(MakeRequest("GET", "/readyz")).status;
      std::this_thread::sleep_for(milliseconds(10));
    }
    EXPECT_EQ(status, 503U);
  }

  FakeEnclave enclave_;
};

TEST_F(ServerTest, SaysWhyItCannotListen) {
  const RunningServer other({}, {});
  const auto store = store::BlobStore::Open(other.folder() / "second", {}).value();
  ServerSettings settings;
  settings.listen.front().port = enclave_.port();  // taken
  const auto token = [] { return Token::Parse(AsBytes(std::string(64, 'a'))).value(); };
  EXPECT_EQ(Server::Create(settings, *store, token()).error().reason, "listen_failed");
  settings.listen = {{"no-such-host.invalid", 0}};
  EXPECT_EQ(Server::Create(settings, *store, token()).error().reason, "listen_failed");
}

TEST_F(ServerTest, StopsAtOnceWhenNothingIsUnderWay) {
  RunningServer server(Settings(milliseconds(60'000)), {});
  HttpPeer idle(server.port());
  EXPECT_EQ(idle.Ask(MakeRequest("GET", "/healthz")).status, 200U);
  server.server().Drain();
  server.Join();
}

TEST_F(ServerTest, LetsATunnelEndWhileItDrains) {
  RunningServer server(Settings(milliseconds(60'000)), {});
  HttpPeer peer(server.port());
  ASSERT_EQ(peer.Ask(MakeRequest("CONNECT", "enclave:8082"), false).status, 200U);
  UniqueFd enclave = enclave_.Accept();
  server.server().Drain();
  AwaitRed(server.port());
  EXPECT_EQ(HttpPeer(server.port()).Ask(MakeRequest("GET", "/healthz")).status, 200U);
  EXPECT_EQ(HttpPeer(server.port()).Ask(MakeRequest("CONNECT", "enclave:8082")).Reason(),
            "draining");
  EXPECT_EQ(HttpPeer(server.port())
                .Ask(MakeRequest("PUT", kBlob, server.Authorization(), "content"))
                .Reason(),
            "draining");
  // The enclave may still fetch what the tunnel's session needs.
  EXPECT_EQ(HttpPeer(server.port()).Ask(MakeRequest("GET", kBlob)).status, 404U);
  peer.Send("question");
  EXPECT_EQ(ReceiveText(enclave, 8), "question");
  SendText(enclave, "answer");
  EXPECT_EQ(peer.ReceiveBytes(6), "answer");
  enclave.Reset();
  peer.EndSending();
  server.Join();
}

TEST_F(ServerTest, LetsAnUploadEndWhileItDrains) {
  RunningServer server(Settings(milliseconds(60'000)), {.disk_kept_bytes = 0});
  const std::string content = RandomText(1'000'000, 1);
  HttpPeer peer(server.port());
  const std::string headers = "Expect: 100-continue\r\nContent-Length: 1000000\r\n";
  ASSERT_EQ(peer.Ask(MakeRequest("PUT", kBlob, server.Authorization() + headers)).status, 100U);
  server.server().Drain();
  AwaitRed(server.port());
  peer.Send(content);
  const auto answer = peer.Receive();
  EXPECT_EQ(answer.status, 201U);
  server.Join();
  EXPECT_EQ(std::filesystem::file_size(server.folder() / "blobs" / kBlob.substr(10)), 1'000'000U);
}

TEST_F(ServerTest, CutsATunnelWhenTheDrainTimeIsOver) {
  RunningServer server(Settings(milliseconds(500)), {});
  HttpPeer peer(server.port());
  ASSERT_EQ(peer.Ask(MakeRequest("CONNECT", "enclave:8082"), false).status, 200U);
  const UniqueFd enclave = enclave_.Accept();
  const auto begin = steady_clock::now();
  server.server().Drain();
  server.Join();
  EXPECT_GE(steady_clock::now() - begin, milliseconds(500));
}

TEST_F(ServerTest, StopsAmidAnything) {
  // Destroyed with uploads, tunnels and half-read headers under way, many times.
  for (int round = 0; round < 10; ++round) {
    RunningServer server(Settings(milliseconds(60'000)), {.disk_kept_bytes = 0});
    HttpPeer upload(server.port());
    upload.Send(MakeRequest("PUT", kBlob, server.Authorization() + "Content-Length: 3000000\r\n") +
                RandomText(static_cast<size_t>(round) * 200'000, 2));
    HttpPeer header(server.port());
    header.Send("GET /heal");
    HttpPeer tunnel(server.port());
    tunnel.Send(MakeRequest("CONNECT", "enclave:8082"));
    std::this_thread::sleep_for(milliseconds(round * 3));
    server.server().Stop();
    server.Join();
  }
}

}  // namespace
}  // namespace ephemeralml::proxy
