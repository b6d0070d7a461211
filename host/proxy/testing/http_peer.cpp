#include "host/proxy/testing/http_peer.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "common/net/socket.h"

namespace ephemeralml::proxy::testing {
namespace {

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

Answer ParseHead(std::string_view head) {
  CHECK(head.starts_with("HTTP/1.1 "));
  Answer answer;
  answer.status = static_cast<unsigned>(std::stoul(std::string(head.substr(9, 3))));
  for (size_t line = head.find("\r\n"); line != std::string_view::npos;) {
    const size_t next = head.find("\r\n", line + 2);
    const std::string_view field = head.substr(line + 2, next - line - 2);
    const size_t colon = field.find(": ");
    if (colon != std::string_view::npos) {
      answer.headers[ToLower(field.substr(0, colon))] = field.substr(colon + 2);
    }
    line = next;
  }
  return answer;
}

}  // namespace

std::string Answer::Header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::string Answer::Reason() const {
  constexpr std::string_view kKey = R"("reason":")";
  const size_t begin = body.find(kKey);
  if (begin == std::string::npos) return "";
  return body.substr(begin + kKey.size(),
                     body.find('"', begin + kKey.size()) - begin - kKey.size());
}

HttpPeer::HttpPeer(uint16_t port) {
  const auto address = net::Resolve({"127.0.0.1", port}).value();
  socket_ = net::Connect(address, net::After(kPatienceMs)).value();
}

void HttpPeer::Send(std::string_view bytes) {
  (void)net::SendAll(socket_.Get(), AsBytes(bytes), net::After(kPatienceMs)).has_value();
}

bool HttpPeer::ReceiveMore() {
  std::array<uint8_t, 64 * 1024> piece;
  const auto count = net::ReceiveSome(socket_.Get(), piece, net::After(kPatienceMs));
  CHECK(count.has_value() || count.error().reason != "deadline_exceeded");
  if (!count || *count == 0) return false;
  received_ += AsText(ByteSpan(piece).first(*count));
  return true;
}

Answer HttpPeer::Receive(bool has_body) {
  while (received_.find("\r\n\r\n") == std::string::npos) {
    if (!ReceiveMore()) return {};
  }
  const size_t end = received_.find("\r\n\r\n") + 4;
  Answer answer = ParseHead(received_.substr(0, end));
  received_.erase(0, end);
  if (has_body && answer.status != 100 && answer.status != 204) {
    answer.body = ReceiveBytes(std::stoul(answer.Header("content-length")));
  }
  return answer;
}

Answer HttpPeer::Ask(std::string_view request, bool has_body) {
  Send(request);
  return Receive(has_body);
}

std::string HttpPeer::ReceiveBytes(size_t count) {
  while (received_.size() < count && ReceiveMore()) {
  }
  std::string bytes = received_.substr(0, count);
  received_.erase(0, bytes.size());
  return bytes;
}

std::string HttpPeer::ReceiveRest() {
  while (ReceiveMore()) {
  }
  return std::exchange(received_, {});
}

void HttpPeer::EndSending() { CHECK(shutdown(socket_.Get(), SHUT_WR) == 0); }

void HttpPeer::Reset() {
  const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  CHECK(setsockopt(socket_.Get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  socket_.Reset();
}

std::string MakeRequest(std::string_view method, std::string_view target, std::string_view headers,
                        std::string_view body) {
  std::string request(method);
  request.append(" ").append(target).append(" HTTP/1.1\r\nHost: host\r\n").append(headers);
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return request.append("\r\n").append(body);
}

}  // namespace ephemeralml::proxy::testing
