#include "host/proxy/tunnel.h"

#include <atomic>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>

#include "common/base/log.h"
#include "common/base/secret_bytes.h"
#include "host/proxy/dial.h"

namespace ephemeralml::proxy {
namespace {

using std::chrono::steady_clock;

constexpr size_t kBufferBytes = 64 * 1024;
constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";

struct Tunnel {
  Socket client;
  Socket enclave;
  std::chrono::milliseconds idle_timeout;
  std::atomic<uint64_t>& total_to_enclave;
  std::atomic<uint64_t>& total_to_client;
  steady_clock::time_point last_progress = steady_clock::now();
  uint64_t bytes_to_enclave = 0;
  uint64_t bytes_to_client = 0;
};

// One direction's bytes on their way; ciphertext, yet wiped: we keep none.
struct Buffer {
  Bytes bytes = Bytes(kBufferBytes);
  ~Buffer() { Wipe(bytes); }
};

// Both ends learn that the stream broke off: to a peer, a plain close would look like its proper
// end.
void Abort(Tunnel& tunnel) {
  boost::system::error_code ignored;
  for (Socket* socket : {&tunnel.client, &tunnel.enclave}) {
    socket->set_option(asio::socket_base::linger(true, 0), ignored);
    socket->close(ignored);
  }
}

// Moves bytes one way until `from` ends its side, and then ends that side of `to`. What is read is
// written before more is read, so a slow reader slows its writer. `early` was read already.
asio::awaitable<void> Move(Tunnel& tunnel, ByteSpan early, Socket& from, Socket& to,
                           uint64_t& moved, std::atomic<uint64_t>& total) {
  const auto [early_error, early_count] =
      co_await asio::async_write(to, asio::buffer(early.data(), early.size()), kAsTuple);
  moved += early_count;
  total += early_count;
  Buffer buffer;
  while (true) {
    const auto [read_error, count] =
        co_await from.async_read_some(asio::buffer(buffer.bytes), kAsTuple);
    if (read_error == asio::error::eof) break;
    if (read_error) {
      Abort(tunnel);
      co_return;
    }
    tunnel.last_progress = steady_clock::now();
    const auto [write_error, written] =
        co_await asio::async_write(to, asio::buffer(buffer.bytes.data(), count), kAsTuple);
    moved += written;
    total += written;
    // `to` is gone; what it sent before may still arrive by the other direction, which then ends.
    if (write_error) co_return;
    tunnel.last_progress = steady_clock::now();
  }
  boost::system::error_code ignored;
  to.shutdown(Socket::shutdown_send, ignored);
}

// Cuts a tunnel in which nothing moves.
asio::awaitable<void> Watch(Tunnel& tunnel) {
  asio::steady_timer timer(tunnel.client.get_executor());
  while (true) {
    const auto deadline = tunnel.last_progress + tunnel.idle_timeout;
    if (deadline <= steady_clock::now()) break;
    timer.expires_at(deadline);
    const auto [error] = co_await timer.async_wait(kAsTuple);
    if (error) co_return;  // both directions have ended
  }
  log::Warn("tunnel_idle");
  Abort(tunnel);
}

void Prepare(Socket& socket) {
  boost::system::error_code ignored;  // the hypervisor's sockets have no such option
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
}

asio::awaitable<void> Serve(Connection& connection, Tunnel& tunnel) {
  using asio::experimental::awaitable_operators::operator&&;
  using asio::experimental::awaitable_operators::operator||;
  Prepare(tunnel.client);
  Prepare(tunnel.enclave);
  // What the client sent right behind its request is the tunnel's already.
  const auto received = connection.received.cdata();
  const ByteSpan early(static_cast<const uint8_t*>(received.data()), received.size());
  co_await ((Move(tunnel, early, tunnel.client, tunnel.enclave, tunnel.bytes_to_enclave,
                  tunnel.total_to_enclave) &&
             Move(tunnel, {}, tunnel.enclave, tunnel.client, tunnel.bytes_to_client,
                  tunnel.total_to_client)) ||
            Watch(tunnel));
}

}  // namespace

asio::awaitable<void> ServeTunnel(Connection& connection, const Request& request) {
  connection.keep_open = false;
  if (std::string_view(request.target()) != connection.context.settings.enclave_name) {
    co_await Send(connection, MakeRefusal(connection, "tunnel_target_forbidden"));
    co_return;
  }
  if (connection.context.is_draining) {
    co_await Send(connection, MakeRefusal(connection, "draining"));
    co_return;
  }
  Context& context = connection.context;
  std::optional<Socket> enclave = co_await Dial(context, context.settings.enclave);
  if (!enclave) {
    log::Warn("enclave_unreachable");
    co_await Send(connection, MakeRefusal(connection, "enclave_unreachable"));
    co_return;
  }
  const bool was_sent = co_await SendBody(connection, AsBytes(kEstablished));
  if (!was_sent) co_return;
  connection.status = 200;
  ++context.metrics.tunnels;
  const Counted open(context.metrics.tunnels_open);
  Tunnel tunnel{connection.stream.release_socket(), *std::move(enclave),
                context.settings.tunnel_idle_timeout, context.metrics.bytes_to_enclave,
                context.metrics.bytes_to_client};
  co_await Serve(connection, tunnel);
  connection.body_bytes_in = tunnel.bytes_to_enclave;
  connection.body_bytes_out = tunnel.bytes_to_client;
}

}  // namespace ephemeralml::proxy
