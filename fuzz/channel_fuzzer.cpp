// Reaches: channel::Channel::ReceiveMessage, behind a genuine handshake: the input is what a
// hostile client says inside TLS.

#include <sys/socket.h>

#include <array>
#include <thread>

#include "common/channel/channel.h"

namespace {

using namespace ephemeralml;

constexpr size_t kLimitBytes = 64 << 10;
constexpr size_t kLargestInputBytes = 64 << 10;  // so that the socket takes it all at once
constexpr int64_t kTimeoutMs = 10'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const channel::ServerIdentity identity = [] {
    CHECK(channel::Initialize().has_value());
    return channel::ServerIdentity::Create().value();
  }();
  if (size > kLargestInputBytes) return 0;
  std::array<int, 2> ends = {};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  std::thread client([&] {
    auto channel = channel::Channel::Connect(UniqueFd(ends[0]), net::After(kTimeoutMs));
    CHECK(channel && channel->SendRaw({data, size}, net::After(kTimeoutMs)));
    channel->Close();
  });
  auto channel = channel::Channel::Accept(UniqueFd(ends[1]), identity, net::After(kTimeoutMs));
  CHECK(channel.has_value());
  client.join();
  while (channel->ReceiveMessage(kLimitBytes, net::After(kTimeoutMs))) {
  }
  return 0;
}
