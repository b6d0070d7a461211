// What one connection may do to the server, through the real server.

#include "host/proxy/session.h"

#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "host/proxy/testing/server_fixture.h"

namespace ephemeralml::proxy {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::HttpPeer;
using testing::MakeRequest;
using testing::RunningServer;

class Session : public ::testing::Test {
 protected:
  Session() : Session(ServerSettings()) {}
  explicit Session(ServerSettings settings)
      : server_(std::move(settings), {.disk_kept_bytes = 0}) {}

  HttpPeer NewPeer() { return HttpPeer(server_.port()); }
  Answer Ask(std::string_view request, bool has_body = true) {
    return NewPeer().Ask(request, has_body);
  }
  bool IsWell() { return Ask(MakeRequest("GET", "/healthz")).status == 200; }

  RunningServer server_;
};

TEST_F(Session, TellsHealth) {
  EXPECT_EQ(Ask(MakeRequest("GET", "/healthz")).body, "{\"status\":\"ok\"}\n");
  EXPECT_EQ(Ask(MakeRequest("GET", "/readyz")).status, 200U);
  EXPECT_EQ(Ask(MakeRequest("HEAD", "/healthz"), false).status, 200U);
  EXPECT_NE(Ask(MakeRequest("GET", "/healthz")).Header("date"), "");
}

TEST_F(Session, KnowsNoOtherTargets) {
  for (const std::string_view target : {"/", "/v1/blobs", "/healthz/x", "/v2/blobs/0", "*"}) {
    const Answer answer = Ask(MakeRequest("GET", target));
    EXPECT_EQ(answer.status, 404U) << target;
    EXPECT_EQ(answer.Reason(), "target_unknown");
  }
}

TEST_F(Session, TakesTheAbsoluteForm) {
  EXPECT_EQ(Ask(MakeRequest("GET", "http://host/healthz")).status, 200U);
}

TEST_F(Session, TakesNoOtherMethods) {
  constexpr std::string_view kBlob = "/v1/blobs/00112233445566778899aabbccddeeff";
  for (const std::string_view method : {"POST", "PATCH", "OPTIONS", "TRACE", "BREW"}) {
    const Answer answer = Ask(MakeRequest(method, kBlob));
    EXPECT_EQ(answer.status, 405U) << method;
    EXPECT_EQ(answer.Reason(), "method_not_allowed");
    EXPECT_EQ(answer.Header("allow"), "GET, HEAD, PUT, DELETE");
    EXPECT_EQ(Ask(MakeRequest(method, "/readyz")).Header("allow"), "GET, HEAD");
  }
}

TEST_F(Session, ServesOneRequestAfterTheOther) {
  HttpPeer peer = NewPeer();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(peer.Ask(MakeRequest("GET", "/healthz")).status, 200U);
}

TEST_F(Session, AnswersPipelinedRequestsInOrder) {
  HttpPeer peer = NewPeer();
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += MakeRequest("GET", i % 2 == 0 ? "/healthz" : "/nothing");
  }
  peer.Send(requests);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(peer.Receive().status, i % 2 == 0 ? 200U : 404U);
}

TEST_F(Session, EndsAfterPipelinedGarbage) {
  HttpPeer peer = NewPeer();
  peer.Send(MakeRequest("GET", "/healthz") + std::string("\0\xff garbage\r\n\r\n", 14));
  EXPECT_EQ(peer.Receive().status, 200U);
  const Answer answer = peer.Receive();
  EXPECT_EQ(answer.status, 400U);
  EXPECT_EQ(answer.Reason(), "request_malformed");
  EXPECT_TRUE(peer.HasEnded());
}

TEST_F(Session, EndsWhenAsked) {
  HttpPeer peer = NewPeer();
  const Answer answer = peer.Ask(MakeRequest("GET", "/healthz", "Connection: close\r\n"));
  EXPECT_EQ(answer.Header("connection"), "close");
  EXPECT_TRUE(peer.HasEnded());
  HttpPeer old = NewPeer();
  EXPECT_EQ(old.Ask("GET /healthz HTTP/1.0\r\n\r\n").status, 200U);
  EXPECT_TRUE(old.HasEnded());
}

TEST_F(Session, RefusesMalformedRequests) {
  for (const std::string request :
       {"GET\r\n\r\n", "GET /healthz\r\n\r\n", "GET /healthz HTTP/2.0\r\nHost: h\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: h\n\n", "GET /health z HTTP/1.1\r\nHost: h\r\n\r\n",
        " GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost : h\r\n\r\n", "GET /healthz HTTP/1.1\r\nHo st: h\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "PUT /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: "
        "chunked\r\n\r\nx"}) {
    HttpPeer peer = NewPeer();
    const Answer answer = peer.Ask(request);
    EXPECT_EQ(answer.status, 400U) << request;
    EXPECT_EQ(answer.Reason(), "request_malformed") << request;
    EXPECT_TRUE(peer.HasEnded());
  }
  EXPECT_TRUE(IsWell());
}

TEST_F(Session, NeedsExactlyOneHostHeader) {
  EXPECT_EQ(Ask("GET /healthz HTTP/1.1\r\n\r\n").Reason(), "host_header_missing");
  EXPECT_EQ(Ask(MakeRequest("GET", "/healthz", "Host: other\r\n")).Reason(), "host_header_missing");
}

TEST_F(Session, TakesBodiesFromPutAlone) {
  for (const std::string_view method : {"GET", "HEAD", "DELETE", "CONNECT"}) {
    HttpPeer peer = NewPeer();
    const Answer answer = peer.Ask(
        MakeRequest(method, "/healthz", "", MakeRequest("GET", "/smuggled")), method != "HEAD");
    EXPECT_EQ(answer.status, 400U) << method;
    EXPECT_TRUE(peer.HasEnded()) << "the body was taken for a request";
  }
  EXPECT_EQ(Ask(MakeRequest("GET", "/healthz", "Transfer-Encoding: chunked\r\n")).Reason(),
            "body_unexpected");
}

TEST_F(Session, RefusesHugeHeaders) {
  for (const std::string& request :
       {MakeRequest("GET", "/healthz", "X: " + std::string(20'000, 'x') + "\r\n"),
        MakeRequest("GET", "/" + std::string(1'000'000, 'x')),
        "GET /healthz HTTP/1.1\r\n" + std::string(1'000'000, 'x')}) {
    HttpPeer peer = NewPeer();
    const Answer answer = peer.Ask(request);
    EXPECT_EQ(answer.status, 431U);
    EXPECT_EQ(answer.Reason(), "header_too_large");
    EXPECT_TRUE(peer.HasEnded());
  }
  EXPECT_EQ(Ask(MakeRequest("GET", "/healthz", "X: " + std::string(15'000, 'x') + "\r\n")).status,
            200U);
}

TEST_F(Session, SurvivesATruncatedRequestWhereverItEnds) {
  const std::string request = MakeRequest("GET", "/healthz", "Range: bytes=0-1\r\n");
  for (size_t length = 0; length < request.size(); ++length) {
    HttpPeer peer = NewPeer();
    peer.Send(std::string_view(request).substr(0, length));
    peer.EndSending();
    EXPECT_TRUE(peer.HasEnded()) << length;
  }
  EXPECT_TRUE(IsWell());
}

TEST_F(Session, SurvivesEveryFlippedBit) {
  const std::string request = MakeRequest("GET", "/healthz", "Expect: 100-continue\r\n");
  for (size_t bit = 0; bit < request.size() * 8; ++bit) {
    std::string altered = request;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
    HttpPeer peer = NewPeer();
    peer.Send(altered);
    peer.EndSending();
    const Answer answer = peer.Receive();
    EXPECT_TRUE(answer.status < 500) << altered;
  }
  EXPECT_TRUE(IsWell());
}

TEST_F(Session, SurvivesNoise) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string noise(random() % 4000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    HttpPeer peer = NewPeer();
    peer.Send(noise);
    peer.EndSending();
    (void)peer.ReceiveRest();
  }
  EXPECT_TRUE(IsWell());
}

TEST_F(Session, TellsNothingOfWhatThePeerSent) {
  const std::string canary = "canary-0123456789";
  const Answer answer = Ask(MakeRequest("GET", "/" + canary, "X-Y: " + canary + "\r\n"));
  EXPECT_EQ(answer.body.find(canary), std::string::npos);
  for (const auto& [name, value] : answer.headers) EXPECT_EQ(value.find(canary), std::string::npos);
}

class ImpatientSession : public Session {
 protected:
  ImpatientSession()
      : Session(ServerSettings{.connections = 3,
                               .header_timeout = milliseconds(1000),
                               .idle_timeout = milliseconds(1000)}) {}
};

TEST_F(ImpatientSession, CutsAPeerThatSaysNothing) { EXPECT_TRUE(NewPeer().HasEnded()); }

TEST_F(ImpatientSession, CutsAPeerThatIsIdleBetweenRequests) {
  HttpPeer peer = NewPeer();
  EXPECT_EQ(peer.Ask(MakeRequest("GET", "/healthz")).status, 200U);
  EXPECT_TRUE(peer.HasEnded());
}

TEST_F(ImpatientSession, CutsAPeerWhoseHeaderTrickles) {
  HttpPeer peer = NewPeer();
  peer.Send("GET /healthz HTTP/1.1\r\nHost: h\r\nX: ");
  for (int i = 0; i < 40; ++i) {
    peer.Send("x");
    std::this_thread::sleep_for(milliseconds(50));
  }
  peer.Send("\r\n\r\n");
  EXPECT_TRUE(peer.HasEnded());
}

TEST_F(ImpatientSession, TurnsAwayConnectionsOverTheLimit) {
  RunningServer server({.connections = 3}, {.disk_kept_bytes = 0});
  std::vector<HttpPeer> peers;
  for (int i = 0; i < 3; ++i) peers.emplace_back(server.port());
  for (HttpPeer& peer : peers) EXPECT_EQ(peer.Ask(MakeRequest("GET", "/healthz")).status, 200U);
  for (int i = 0; i < 5; ++i) {
    HttpPeer peer(server.port());
    const Answer answer = peer.Ask(MakeRequest("GET", "/healthz"));
    EXPECT_EQ(answer.status, 503U);
    EXPECT_EQ(answer.Reason(), "too_many_connections");
    EXPECT_EQ(answer.Header("retry-after"), "1");
  }
  peers.pop_back();
  unsigned status = 0;
  for (int i = 0; i < 600 && status != 200; ++i) {
    std::this_thread::sleep_for(milliseconds(100));
    status = HttpPeer(server.port()).Ask(MakeRequest("GET", "/healthz")).status;
  }
  EXPECT_EQ(status, 200U);
  EXPECT_EQ(peers[0].Ask(MakeRequest("GET", "/healthz")).status, 200U);
}

}  // namespace
}  // namespace ephemeralml::proxy
