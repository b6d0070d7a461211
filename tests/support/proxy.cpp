#include "tests/support/proxy.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "common/net/socket.h"

namespace ephemeralml::testing_support {
namespace {

constexpr int kPollMs = 20;
constexpr int64_t kSendTimeoutMs = 20'000;
constexpr size_t kPieceBytes = 64 * 1024;

struct Way {
  Direction direction;
  int from;
  int to;
  bool ended = false;
};

// False if the connection is to be cut.
bool MoveOnce(Way& way, const Meddle& meddle) {
  Bytes piece(kPieceBytes);
  const auto count = net::ReceiveSome(way.from, piece, net::After(0));
  if (!count) return count.error().reason == "deadline_exceeded";
  if (*count == 0) {
    way.ended = true;
    (void)shutdown(way.to, SHUT_WR);
    return true;
  }
  piece.resize(*count);
  const Passed passed = meddle ? meddle(way.direction, std::move(piece)) : Passed{std::move(piece)};
  return net::SendAll(way.to, passed.bytes, net::After(kSendTimeoutMs)) && !passed.then_cut;
}

}  // namespace

Listener::Listener(Serve serve) : serve_(std::move(serve)) {
  socket_ = net::Listen({"127.0.0.1", 0}).value();
  port_ = static_cast<uint16_t>(net::BoundPort(socket_.Get()).value());
  thread_ = std::thread([this] { Accept(); });
}

Listener::~Listener() {
  stopped_ = true;
  thread_.join();
  for (std::thread& connection : connections_) connection.join();
}

void Listener::Accept() {
  while (!stopped_) {
    if (!net::WaitReadable(socket_.Get(), net::After(kPollMs))) continue;
    UniqueFd connection(accept4(socket_.Get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.IsOpen()) continue;
    connections_.emplace_back(
        [this, owned = std::move(connection)]() mutable { serve_(std::move(owned), stopped_); });
  }
}

void Pump(UniqueFd client, UniqueFd target, const Meddle& meddle,
          const std::atomic<bool>& stopped) {
  std::array<Way, 2> ways = {Way{Direction::kToTarget, client.Get(), target.Get()},
                             Way{Direction::kFromTarget, target.Get(), client.Get()}};
  while (!stopped && !(ways[0].ended && ways[1].ended)) {
    std::array<pollfd, 2> set = {};
    for (size_t i = 0; i < ways.size(); ++i) {
      set[i] = {ways[i].ended ? -1 : ways[i].from, POLLIN, 0};
    }
    if (poll(set.data(), set.size(), kPollMs) <= 0) continue;
    for (size_t i = 0; i < ways.size(); ++i) {
      if (set[i].revents != 0 && !MoveOnce(ways[i], meddle)) return;
    }
  }
}

UniqueFd Dial(uint16_t port) {
  const auto address = net::Resolve({"127.0.0.1", port}).value();
  return net::Connect(address, net::After(kSendTimeoutMs)).value();
}

Proxy::Proxy()
    : listener_([this](UniqueFd client, const std::atomic<bool>& stopped) {
        uint16_t target = 0;
        Attack attack;
        {
          const std::lock_guard lock(mutex_);
          target = target_;
          attack = attack_;
        }
        Pump(std::move(client), Dial(target), attack ? attack() : Meddle(), stopped);
      }) {}

void Proxy::SetTarget(uint16_t port) {
  const std::lock_guard lock(mutex_);
  target_ = port;
}

void Proxy::SetAttack(Attack attack) {
  const std::lock_guard lock(mutex_);
  attack_ = std::move(attack);
}

}  // namespace ephemeralml::testing_support
