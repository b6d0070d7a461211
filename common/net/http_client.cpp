#include "common/net/http_client.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/write.hpp>
#include <sstream>
#include <string>

namespace ephemeralml::net {
namespace {

namespace http = boost::beast::http;

constexpr uint32_t kLargestHeadBytes = 16 * 1024;
constexpr uint64_t kLargestSmallBodyBytes = 64 * 1024;

Error MalformedHttp() {
  return {Code::kMalformed, "http_malformed",
          "the host's answer isn't the HTTP/1.1 that was expected"};
}

}  // namespace

HttpConnection::HttpConnection(UniqueFd socket) : socket_(std::move(socket)) {}

Done HttpConnection::SendHead(const HttpRequest& request, Deadline deadline) {
  http::request<http::empty_body> head;
  head.version(11);
  head.method_string(request.method);
  head.target(request.target);
  head.set(http::field::host, request.authority);
  head.set(http::field::user_agent, "ephemeralml");
  for (const auto& [name, value] : request.headers) head.set(name, value);
  if (request.body_bytes > 0) {
    head.set(http::field::content_length, std::to_string(request.body_bytes));
  }
  std::ostringstream text;
  text << head.base();
  return SendAll(socket_.Get(), AsBytes(text.str()), deadline);
}

Done HttpConnection::SendBody(ByteSpan bytes, Deadline deadline) {
  return SendAll(socket_.Get(), bytes, deadline);
}

Result<HttpResponse> HttpConnection::ReceiveHead(bool has_body, Deadline deadline) {
  http::response_parser<http::empty_body> parser;
  parser.header_limit(kLargestHeadBytes);
  parser.body_limit(boost::none);
  parser.skip(true);  // the body is read by ReceiveBody
  while (!parser.is_header_done()) {
    boost::system::error_code error;
    const size_t used = parser.put(boost::asio::buffer(buffered_.data(), buffered_.size()), error);
    buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(used));
    if (parser.is_header_done()) break;
    if ((error && error != http::error::need_more) || buffered_.size() > kLargestHeadBytes) {
      return MalformedHttp();
    }
    std::array<uint8_t, 4096> piece;
    TRY(const size_t count, ReceiveSome(socket_.Get(), piece, deadline));
    if (count == 0) return Error{Code::kIo, "connection_lost", "the host closed the connection"};
    AppendBytes(buffered_, ByteSpan(piece).first(count));
  }
  const auto& message = parser.get();
  HttpResponse response;
  response.status = message.result_int();
  response.content_range = std::string(message[http::field::content_range]);
  if (has_body && response.status != 204) {
    if (parser.chunked() || !parser.content_length()) return MalformedHttp();
    response.body_bytes = *parser.content_length();
  }
  body_left_ = response.body_bytes;
  return response;
}

Result<size_t> HttpConnection::ReceiveBody(MutableByteSpan buffer, Deadline deadline) {
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(buffer.size(), body_left_));
  if (wanted == 0) return size_t{0};
  size_t count = std::min(wanted, buffered_.size());
  if (count > 0) {
    std::copy_n(buffered_.begin(), count, buffer.begin());
    buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(count));
  } else {
    TRY(count, ReceiveSome(socket_.Get(), buffer.first(wanted), deadline));
    if (count == 0) return Error{Code::kIo, "connection_lost", "the host ended a body early"};
  }
  body_left_ -= count;
  return count;
}

Result<Bytes> HttpConnection::ReceiveSmallBody(Deadline deadline) {
  if (body_left_ > kLargestSmallBodyBytes) {
    return Error{Code::kOverLimit, "http_body_too_large", "the host's answer is too large"};
  }
  Bytes body(static_cast<size_t>(body_left_));
  MutableByteSpan rest = body;
  while (!rest.empty()) {
    TRY(const size_t count, ReceiveBody(rest, deadline));
    rest = rest.subspan(count);
  }
  return body;
}

Result<UniqueFd> HttpConnection::TakeSocket() {
  if (!buffered_.empty()) return MalformedHttp();
  return std::move(socket_);
}

}  // namespace ephemeralml::net
