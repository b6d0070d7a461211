#include "host/proxy/metrics_page.h"

#include <boost/asio/read.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <optional>
#include <string>

#include "common/base/log.h"
#include "host/proxy/dial.h"

namespace ephemeralml::proxy {
namespace {

constexpr std::chrono::seconds kPatience{5};
constexpr uint32_t kLargestHeaderBytes = 4096;

asio::awaitable<std::optional<EnclaveCounters>> AskEnclave(Context& context) {
  if (!context.settings.enclave_counters) co_return std::nullopt;
  std::optional<Socket> socket = co_await Dial(context, *context.settings.enclave_counters);
  if (!socket) co_return std::nullopt;
  SocketStream stream(*std::move(socket));
  stream.expires_after(kPatience);
  std::string text(kLargestCountersBytes + 1, '\0');
  const auto [error, count] = co_await asio::async_read(stream, asio::buffer(text), kAsTuple);
  text.resize(count);
  auto counters = ParseCounters(text);
  const bool is_whole = error == asio::error::eof;
  if (!is_whole || !counters) {
    log::Warn("counters_malformed");
    co_return std::nullopt;
  }
  co_return *std::move(counters);
}

}  // namespace

asio::awaitable<void> ServeMetrics(Context& context, Socket socket, Counted) {
  Connection connection(context, std::move(socket));
  connection.keep_open = false;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kLargestHeaderBytes);
  connection.stream.expires_after(kPatience);
  const auto [error, count] =
      co_await http::async_read_header(connection.stream, connection.received, parser, kAsTuple);
  if (error) co_return;
  const bool is_known =
      parser.get().method() == http::verb::get && parser.get().target() == "/metrics";
  Response response;
  response.result(is_known ? http::status::ok : http::status::not_found);
  response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
  if (is_known) {
    const auto counters = co_await AskEnclave(context);
    response.body() =
        ToPrometheus(context.metrics, context.connections, context.requests, counters);
  }
  co_await Send(connection, std::move(response));
  co_await CloseGently(connection);
}

}  // namespace ephemeralml::proxy
