#include "bench/plain_echo.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "client/session/tunnel.h"

namespace ephemeralml::bench {
namespace {

constexpr int64_t kTimeoutMs = 60'000;

Done Answer(UniqueFd socket, const channel::ServerIdentity& identity, MutableByteSpan bytes) {
  TRY(channel::Channel channel,
      channel::Channel::Accept(std::move(socket), identity, net::After(kTimeoutMs)));
  for (;;) {
    TRY_OK(channel.ReceiveRaw(bytes, net::After(kTimeoutMs)));
    TRY_OK(channel.SendRaw(bytes, net::After(kTimeoutMs)));
  }
}

[[noreturn]] void Listen(int listener, size_t bytes) {
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto identity = channel::ServerIdentity::Create().value();
  std::vector<uint8_t> buffer(bytes);
  for (;;) {
    CHECK(net::WaitReadable(listener, net::Deadline::max()).has_value());
    UniqueFd socket(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.IsOpen()) (void)Answer(std::move(socket), identity, buffer);
  }
}

}  // namespace

PlainEcho::PlainEcho(size_t bytes) {
  const UniqueFd listener = net::Listen({"127.0.0.1", 0}).value();
  port_ = static_cast<uint16_t>(net::BoundPort(listener.Get()).value());
  pid_ = fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) Listen(listener.Get(), bytes);
}

PlainEcho::~PlainEcho() {
  (void)kill(pid_, SIGKILL);
  (void)waitpid(pid_, nullptr, 0);
}

Result<channel::Channel> ConnectPlainly(const net::Address& host, const std::string& enclave_name) {
  TRY(UniqueFd socket, session::OpenTunnel(host, enclave_name, net::After(kTimeoutMs)));
  return channel::Channel::Connect(std::move(socket), net::After(kTimeoutMs));
}

Done SendAround(channel::Channel& channel, MutableByteSpan bytes) {
  TRY_OK(channel.SendRaw(bytes, net::After(kTimeoutMs)));
  return channel.ReceiveRaw(bytes, net::After(kTimeoutMs));
}

}  // namespace ephemeralml::bench
