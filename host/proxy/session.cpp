#include "host/proxy/session.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <chrono>
#include <optional>

#include "common/base/log.h"
#include "host/proxy/blobs.h"
#include "host/proxy/target.h"
#include "host/proxy/tunnel.h"

namespace ephemeralml::proxy {
namespace {

namespace beast = boost::beast;
using std::chrono::steady_clock;
using Parser = http::request_parser<http::empty_body>;

log::Literal MethodName(http::verb method) {
  switch (method) {
    case http::verb::get:
      return "GET";
    case http::verb::head:
      return "HEAD";
    case http::verb::put:
      return "PUT";
    case http::verb::delete_:
      return "DELETE";
    case http::verb::connect:
      return "CONNECT";
    default:
      return "other";
  }
}

// Empty if the peer ended the connection, or was cut: then there is nobody to tell.
std::string_view ReasonOf(const beast::error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return "header_too_large";
  }
  const bool is_gone = error == http::error::end_of_stream || error == http::error::partial_message;
  if (is_gone || error.category() != make_error_code(http::error::end_of_stream).category()) {
    return {};
  }
  return "request_malformed";
}

// Between requests a peer may be idle; once a request has begun, its header must be quick.
asio::awaitable<bool> AwaitFirstByte(Connection& connection) {
  if (connection.received.size() > 0) co_return true;
  connection.stream.expires_after(connection.context.settings.idle_timeout);
  const auto [error, count] = co_await connection.stream.async_read_some(
      connection.received.prepare(connection.received.max_size()), kAsTuple);
  connection.received.commit(count);
  co_return !error;
}

asio::awaitable<bool> ReceiveHeader(Connection& connection, Parser& parser) {
  parser.header_limit(connection.context.settings.header_bytes);
  parser.body_limit(boost::none);
  connection.stream.expires_after(connection.context.settings.header_timeout);
  const auto [error, count] =
      co_await http::async_read_header(connection.stream, connection.received, parser, kAsTuple);
  if (!error) co_return true;
  connection.keep_open = false;
  if (error == beast::error::timeout) log::Info("peer_too_slow");
  const std::string_view reason = ReasonOf(error);
  if (!reason.empty()) co_await Send(connection, MakeRefusal(connection, reason));
  co_return false;
}

// The reason for which a request of any kind is refused, or empty.
std::string_view Objection(const Parser& parser) {
  const Request& request = parser.get();
  const size_t hosts = request.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && request.version() >= 11)) return "host_header_missing";
  const bool is_put = request.method() == http::verb::put;
  if (request.count(http::field::transfer_encoding) > 0) {
    return is_put ? "length_required" : "body_unexpected";
  }
  if (!is_put && parser.content_length().value_or(0) > 0) return "body_unexpected";
  if (request.count(http::field::expect) > 0 &&
      !beast::iequals(request[http::field::expect], "100-continue")) {
    return "expectation_unknown";
  }
  return {};
}

bool IsOneOf(http::verb method, std::initializer_list<http::verb> allowed) {
  return std::ranges::find(allowed, method) != allowed.end();
}

asio::awaitable<void> RefuseMethod(Connection& connection, std::string_view allowed) {
  connection.keep_open = false;
  Response response = MakeRefusal(connection, "method_not_allowed");
  response.set(http::field::allow, allowed);
  co_await Send(connection, std::move(response));
}

asio::awaitable<void> ServeState(Connection& connection, http::verb method, bool is_well) {
  if (!IsOneOf(method, {http::verb::get, http::verb::head})) {
    co_await RefuseMethod(connection, "GET, HEAD");
    co_return;
  }
  if (!is_well) {
    co_await Send(connection, MakeRefusal(connection, "draining"));
    co_return;
  }
  Response response;
  response.result(http::status::ok);
  response.set(http::field::content_type, "application/json");
  response.body() = "{\"status\":\"ok\"}\n";
  co_await Send(connection, std::move(response));
}

void CountBlob(Connection& connection, http::verb method) {
  Metrics& metrics = connection.context.metrics;
  metrics.blob_bytes_in += connection.body_bytes_in;
  if (connection.status < 200 || connection.status >= 300) return;
  metrics.blob_bytes_out += connection.body_bytes_out;
  switch (method) {
    case http::verb::get:
      ++metrics.blob_reads;
      break;
    case http::verb::put:
      ++metrics.blob_writes;
      break;
    case http::verb::delete_:
      ++metrics.blob_removals;
      break;
    default:
      break;
  }
}

asio::awaitable<void> Route(Connection& connection, const Parser& parser) {
  const Request& request = parser.get();
  if (const std::string_view objection = Objection(parser); !objection.empty()) {
    connection.keep_open = false;
    co_await Send(connection, MakeRefusal(connection, objection));
    co_return;
  }
  if (request.method() == http::verb::connect) {
    co_await ServeTunnel(connection, request);
    co_return;
  }
  const Target target = ParseTarget(request.target());
  switch (target.kind) {
    case Target::Kind::kHealth:
      co_await ServeState(connection, request.method(), true);
      co_return;
    case Target::Kind::kReady:
      co_await ServeState(connection, request.method(), !connection.context.is_draining);
      co_return;
    case Target::Kind::kNothing:
      if (request.method() == http::verb::put) connection.keep_open = false;
      co_await Send(connection, MakeRefusal(connection, "target_unknown"));
      co_return;
    case Target::Kind::kBlob:
      break;
  }
  if (!IsOneOf(request.method(),
               {http::verb::get, http::verb::head, http::verb::put, http::verb::delete_})) {
    co_await RefuseMethod(connection, "GET, HEAD, PUT, DELETE");
    co_return;
  }
  std::optional<uint64_t> length;
  if (parser.content_length()) length = *parser.content_length();
  co_await ServeBlob(connection, request, length, target.blob_id);
  CountBlob(connection, request.method());
}

asio::awaitable<void> ServeRequest(Connection& connection) {
  Parser parser;
  const bool was_received = co_await ReceiveHeader(connection, parser);
  if (!was_received) co_return;
  const Counted under_way(connection.context.requests);
  const auto begin = steady_clock::now();
  connection.keep_open =
      parser.get().version() >= 11 && parser.get().keep_alive() && !connection.context.is_draining;
  connection.is_head = parser.get().method() == http::verb::head;
  connection.status = 0;
  connection.body_bytes_in = 0;
  connection.body_bytes_out = 0;
  co_await Route(connection, parser);
  const auto spent =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
  log::Info("request", {{"method", MethodName(parser.get().method())},
                        {"status", connection.status},
                        {"bytes_in", connection.body_bytes_in},
                        {"bytes_out", connection.body_bytes_out},
                        {"milliseconds", spent.count()}});
}

}  // namespace

asio::awaitable<void> ServeConnection(Context& context, Socket socket, Counted) {
  Connection connection(context, std::move(socket));
  beast::error_code ignored;
  connection.stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  while (true) {
    co_await ServeRequest(connection);
    if (!connection.keep_open) break;
    const bool has_more = co_await AwaitFirstByte(connection);
    if (!has_more) break;
  }
  if (connection.stream.socket().is_open()) co_await CloseGently(connection);
}

asio::awaitable<void> TurnAway(Context& context, Socket socket, Counted) {
  Connection connection(context, std::move(socket));
  connection.keep_open = false;
  Response response = MakeRefusal(connection, "too_many_connections");
  response.set(http::field::retry_after, "1");
  co_await Send(connection, std::move(response));
  co_await CloseGently(connection);
}

}  // namespace ephemeralml::proxy
