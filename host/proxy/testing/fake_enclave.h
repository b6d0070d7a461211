#pragma once
// Something to tunnel to: a listening socket whose connections the test holds itself.

#include <sys/socket.h>

#include "common/net/socket.h"
#include "host/proxy/testing/http_peer.h"

namespace ephemeralml::proxy::testing {

class FakeEnclave {
 public:
  uint16_t port() const { return static_cast<uint16_t>(net::BoundPort(listener_.Get()).value()); }

  /// The next connection that arrives.
  UniqueFd Accept() {
    CHECK(net::WaitReadable(listener_.Get(), net::After(kPatienceMs)).has_value());
    UniqueFd socket(accept4(listener_.Get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    CHECK(socket.IsOpen());
    return socket;
  }

  /// True if somebody is connecting within `milliseconds`.
  bool IsCalled(int64_t milliseconds) {
    return net::WaitReadable(listener_.Get(), net::After(milliseconds)).has_value();
  }

 private:
  UniqueFd listener_ = net::Listen({"127.0.0.1", 0}).value();
};

inline void SendText(const UniqueFd& socket, std::string_view text) {
  CHECK(net::SendAll(socket.Get(), AsBytes(text), net::After(kPatienceMs)).has_value());
}

/// All that arrives until the other side ends.
struct Received {
  std::string text;
  bool was_ended = false;  ///< properly, not reset
};
inline Received ReceiveAll(const UniqueFd& socket) {
  Received received;
  Bytes piece(64 * 1024);
  while (true) {
    const auto count = net::ReceiveSome(socket.Get(), piece, net::After(kPatienceMs));
    CHECK(count.has_value() || count.error().reason != "deadline_exceeded");
    received.was_ended = count && *count == 0;
    if (!count || *count == 0) return received;
    received.text += AsText(ByteSpan(piece).first(*count));
  }
}

inline std::string ReceiveText(const UniqueFd& socket, size_t count) {
  Bytes bytes(count);
  for (size_t done = 0; done < count;) {
    const auto received = net::ReceiveSome(socket.Get(), MutableByteSpan(bytes).subspan(done),
                                           net::After(kPatienceMs));
    CHECK(received.has_value() && *received > 0);
    done += *received;
  }
  return std::string(AsText(bytes));
}

}  // namespace ephemeralml::proxy::testing
