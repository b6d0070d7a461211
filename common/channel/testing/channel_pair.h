#pragma once
// Two ends of a channel with a host between them, for tests.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "common/channel/channel.h"

namespace ephemeralml::channel {

inline constexpr size_t kLimit = 1 << 20;

inline std::pair<UniqueFd, UniqueFd> SocketPair() {
  std::array<int, 2> fds = {};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// A host between the two ends: passes bytes on through `edit`, counts them in each direction.
class Host {
 public:
  using Edit = std::function<void(bool to_server, size_t offset, MutableByteSpan)>;
  explicit Host(Edit edit = {}) : edit_(std::move(edit)) {
    auto [client, client_far] = SocketPair();
    auto [server, server_far] = SocketPair();
    client_ = std::move(client);
    server_ = std::move(server);
    up_ = std::thread(
        [this, from = client_far.Get(), to = server_far.Get()] { Pump(from, to, true); });
    down_ = std::thread(
        [this, from = server_far.Get(), to = client_far.Get()] { Pump(from, to, false); });
    client_far_ = std::move(client_far);
    server_far_ = std::move(server_far);
  }
  ~Host() {
    Cut();
    up_.join();
    down_.join();
  }
  void Cut() {
    (void)shutdown(client_far_.Get(), SHUT_RDWR);
    (void)shutdown(server_far_.Get(), SHUT_RDWR);
  }
  UniqueFd TakeClient() { return std::move(client_); }
  UniqueFd TakeServer() { return std::move(server_); }
  std::atomic<size_t> to_server_ = 0;
  std::atomic<size_t> to_client_ = 0;

 private:
  void Pump(int from, int to, bool to_server) {
    std::array<uint8_t, 4096> buffer;
    std::atomic<size_t>& passed = to_server ? to_server_ : to_client_;
    for (;;) {
      const auto count = net::ReceiveSome(from, buffer, net::After(10'000));
      if (!count || *count == 0) break;
      const MutableByteSpan bytes = MutableByteSpan(buffer).first(*count);
      if (edit_) edit_(to_server, passed, bytes);
      passed += *count;
      if (!net::SendAll(to, bytes, net::After(10'000))) break;
    }
    (void)shutdown(to, SHUT_WR);
  }

  Edit edit_;
  UniqueFd client_, server_, client_far_, server_far_;
  std::thread up_, down_;
};

struct Ends {
  std::optional<Result<Channel>> client;
  std::optional<Result<Channel>> server;
};

inline Ends Handshake(UniqueFd client, UniqueFd server, const ServerIdentity& identity,
                      int64_t timeout_ms = 5000) {
  CHECK(Initialize().has_value());
  Ends ends;
  std::thread thread([&] {
    ends.server.emplace(Channel::Accept(std::move(server), identity, net::After(timeout_ms)));
  });
  ends.client.emplace(Channel::Connect(std::move(client), net::After(timeout_ms)));
  thread.join();
  return ends;
}

class ChannelPair : public testing::Test {
 protected:
  void Open(Host::Edit edit = {}) {
    host_.emplace(std::move(edit));
    Ends ends = Handshake(host_->TakeClient(), host_->TakeServer(), identity_);
    ASSERT_TRUE(ends.client->has_value() && ends.server->has_value());
    client_.emplace(std::move(**ends.client));
    server_.emplace(std::move(**ends.server));
  }
  Result<SecretBytes> Exchange(ByteSpan message, size_t limit = kLimit) {
    std::thread thread([&] { sent_ = client_->SendMessage(message, net::After(5000)); });
    Result<SecretBytes> received = server_->ReceiveMessage(limit, net::After(5000));
    thread.join();
    return received;
  }

  ServerIdentity identity_ = ServerIdentity::Create().value();
  std::optional<Host> host_;
  std::optional<Channel> client_;
  std::optional<Channel> server_;
  Done sent_;
};

}  // namespace ephemeralml::channel
