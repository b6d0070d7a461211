#include "host/proxy/connection.h"

#include <time.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <string>

#include "host/proxy/refusals.h"

namespace ephemeralml::proxy {
namespace {

constexpr std::chrono::seconds kLastReadTimeout{2};
constexpr uint64_t kMostBytesIgnored = 4 << 20;

// RFC 9110 §5.6.7
std::string HttpDate() {
  const time_t now = time(nullptr);
  struct tm parts = {};
  gmtime_r(&now, &parts);
  std::array<char, 32> text = {};
  const size_t length = strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), length};
}

void Complete(Connection& connection, Response& response) {
  response.version(11);
  response.set(http::field::date, HttpDate());
  if (!connection.keep_open) response.set(http::field::connection, "close");
  connection.status = response.result_int();
}

}  // namespace

Response MakeRefusal(Connection& connection, std::string_view reason) {
  connection.context.metrics.CountRefusal(reason);
  const Refusal& refusal = FindRefusal(reason);
  Response response;
  response.result(refusal.status);
  response.set(http::field::content_type, "application/json");
  response.body() = refusal.Json();
  return response;
}

asio::awaitable<void> Send(Connection& connection, Response response) {
  // RFC 9110 §8.6: 204 has no Content-Length.
  if (response.result() != http::status::no_content) {
    response.content_length(response.body().size());
  }
  const bool was_sent = co_await SendHead(connection, response);
  if (!was_sent || connection.is_head) co_return;
  (void)co_await SendBody(connection, AsBytes(response.body()));
}

asio::awaitable<bool> SendHead(Connection& connection, Response& response) {
  Complete(connection, response);
  connection.stream.expires_after(connection.context.settings.idle_timeout);
  http::response_serializer<http::string_body> serializer(response);
  const auto [error, count] =
      co_await http::async_write_header(connection.stream, serializer, kAsTuple);
  if (error) connection.keep_open = false;
  co_return !error;
}

asio::awaitable<bool> SendBody(Connection& connection, ByteSpan bytes) {
  connection.stream.expires_after(connection.context.settings.idle_timeout);
  const auto [error, count] = co_await asio::async_write(
      connection.stream, asio::buffer(bytes.data(), bytes.size()), kAsTuple);
  connection.body_bytes_out += count;
  if (error) connection.keep_open = false;
  co_return !error;
}

asio::awaitable<void> CloseGently(Connection& connection) {
  boost::system::error_code ignored;
  connection.stream.socket().shutdown(Socket::shutdown_send, ignored);
  connection.stream.expires_after(kLastReadTimeout);
  std::array<uint8_t, 4096> unwanted;
  for (uint64_t total = 0; total < kMostBytesIgnored;) {
    const auto [error, count] =
        co_await connection.stream.async_read_some(asio::buffer(unwanted), kAsTuple);
    if (error) break;
    total += count;
  }
  connection.stream.close();
}

}  // namespace ephemeralml::proxy
