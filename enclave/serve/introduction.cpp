#include "enclave/serve/introduction.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

namespace ephemeralml::serve {
namespace {

// A handshake's part of the server is a tenth of that.
constexpr uint64_t kMostBytesToClient = uint64_t{16} * 1024;

// As the kernel counts; nothing if it doesn't for this socket.
std::optional<uint64_t> BytesReceived(int socket) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return info.tcpi_bytes_received;
}

// Moves what has arrived, up to `limit` bytes in all, and then the end. Whether more may come.
bool Move(int from, int to, uint64_t& moved, uint64_t limit) {
  std::array<uint8_t, 4096> piece = {};
  while (moved < limit) {
    const size_t room = std::min<uint64_t>(piece.size(), limit - moved);
    const ssize_t count = recv(from, piece.data(), room, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    const bool is_whole = count > 0 && send(to, piece.data(), static_cast<size_t>(count),
                                            MSG_DONTWAIT | MSG_NOSIGNAL) == count;
    if (!is_whole) {
      (void)shutdown(to, SHUT_WR);
      return false;
    }
    moved += static_cast<uint64_t>(count);
  }
  return true;
}

}  // namespace

Result<Introduction> Introduction::Begin(UniqueFd connection) {
  Introduction introduction;
  introduction.connection_ = std::move(connection);
  if (BytesReceived(introduction.connection_.Get()).has_value()) return introduction;
  std::array<int, 2> ends = {};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return ErrnoError("process_start_failed", "can't make a worker's connection");
  }
  introduction.pair_ = UniqueFd(ends[0]);
  introduction.for_worker_ = UniqueFd(ends[1]);
  return introduction;
}

std::array<pollfd, 2> Introduction::PollSet() const {
  const bool carries = pair_.IsOpen();
  // One byte beyond the limit is carried, so that End sees that there was one.
  const bool hears_client = carries && !client_ended_ && to_worker_ <= kMostBytesBeforeEvidence;
  const bool hears_worker = carries && !worker_ended_ && to_client_ < kMostBytesToClient;
  return {pollfd{hears_client ? connection_.Get() : -1, POLLIN, 0},
          pollfd{hears_worker ? pair_.Get() : -1, POLLIN, 0}};
}

void Introduction::Carry() {
  if (!pair_.IsOpen()) return;
  if (!client_ended_) {
    client_ended_ = !Move(connection_.Get(), pair_.Get(), to_worker_, kMostBytesBeforeEvidence + 1);
  }
  if (!worker_ended_) {
    worker_ended_ = !Move(pair_.Get(), connection_.Get(), to_client_, kMostBytesToClient);
  }
}

Result<UniqueFd> Introduction::End() {
  // The worker's last words of the handshake come before its request for evidence.
  if (pair_.IsOpen() && !worker_ended_) {
    worker_ended_ = !Move(pair_.Get(), connection_.Get(), to_client_, kMostBytesToClient);
  }
  const bool was_carried = pair_.IsOpen();
  const uint64_t received = BytesReceived(connection_.Get()).value_or(to_worker_);
  UniqueFd connection = std::move(connection_);
  pair_.Reset();
  if (received > kMostBytesBeforeEvidence) {
    return Error{Code::kUntrusted, "worker_broke_protocol",
                 "a worker asked for evidence after its client had sent it more than a nonce"};
  }
  return was_carried ? std::move(connection) : UniqueFd();
}

}  // namespace ephemeralml::serve
