#include "common/net/http_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

namespace ephemeralml::net {
namespace {

class HttpClient : public testing::Test {
 protected:
  HttpClient() : connection_(MakePair()) {}

  UniqueFd MakePair() {
    std::array<int, 2> fds = {};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    server_ = UniqueFd(fds[1]);
    return UniqueFd(fds[0]);
  }
  void Answer(std::string_view text) {
    ASSERT_TRUE(SendAll(server_.Get(), AsBytes(text), After(1000)));
  }

  UniqueFd server_;
  HttpConnection connection_;
};

TEST_F(HttpClient, SendsAWellFormedHead) {
  ASSERT_TRUE(connection_.SendHead(
      {"PUT", "/v1/blobs/00", "host:1", {{"Authorization", "Bearer x"}}, 5}, After(1000)));
  std::array<uint8_t, 4096> buffer;
  const size_t count = ReceiveSome(server_.Get(), buffer, After(1000)).value();
  const std::string text(AsText(ByteSpan(buffer).first(count)));
  EXPECT_TRUE(text.starts_with("PUT /v1/blobs/00 HTTP/1.1\r\n"));
  EXPECT_NE(text.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(text.find("Authorization: Bearer x\r\n"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\n"));
}

TEST_F(HttpClient, ReceivesAHeadAndItsBody) {
  Answer(
      "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes "
      "0-4/9\r\n\r\nhello");
  const HttpResponse response = connection_.ReceiveHead(true, After(1000)).value();
  EXPECT_EQ(response.status, 206U);
  EXPECT_EQ(response.content_range, "bytes 0-4/9");
  EXPECT_EQ(AsText(connection_.ReceiveSmallBody(After(1000)).value()), "hello");
  std::array<uint8_t, 4> buffer;
  EXPECT_EQ(connection_.ReceiveBody(buffer, After(1000)).value(), 0U);
}

TEST_F(HttpClient, KeepsTheNextAnswerApart) {
  Answer(
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 Not Found\r\nContent-Length: "
      "0\r\n\r\n");
  ASSERT_TRUE(connection_.ReceiveHead(true, After(1000)));
  EXPECT_EQ(AsText(connection_.ReceiveSmallBody(After(1000)).value()), "a");
  EXPECT_EQ(connection_.ReceiveHead(true, After(1000)).value().status, 404U);
}

TEST_F(HttpClient, RefusesBodiesWithoutALength) {
  Answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(connection_.ReceiveHead(true, After(1000)).error().reason, "http_malformed");
}

TEST_F(HttpClient, RefusesWhatIsNotHttp) {
  Answer("SSH-2.0-server\r\n\r\n");
  EXPECT_EQ(connection_.ReceiveHead(true, After(1000)).error().reason, "http_malformed");
}

TEST_F(HttpClient, RefusesEndlessHeads) {
  Answer("HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x'));
  EXPECT_EQ(connection_.ReceiveHead(true, After(1000)).error().reason, "http_malformed");
}

TEST_F(HttpClient, ReportsABodyThatEndsEarly) {
  Answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  ASSERT_TRUE(connection_.ReceiveHead(true, After(1000)));
  server_.Reset();
  EXPECT_EQ(connection_.ReceiveSmallBody(After(1000)).error().reason, "connection_lost");
}

TEST_F(HttpClient, GivesTheTunnelOnlyIfNothingCameEarly) {
  Answer("HTTP/1.1 200 Connection established\r\n\r\nearly");
  EXPECT_EQ(connection_.ReceiveHead(false, After(1000)).value().status, 200U);
  EXPECT_EQ(connection_.TakeSocket().error().reason, "http_malformed");
}

TEST_F(HttpClient, RefusesLargeErrors) {
  Answer("HTTP/1.1 500 No\r\nContent-Length: 99999999\r\n\r\n");
  ASSERT_TRUE(connection_.ReceiveHead(true, After(1000)));
  EXPECT_EQ(connection_.ReceiveSmallBody(After(1000)).error().reason, "http_body_too_large");
}

}  // namespace
}  // namespace ephemeralml::net
