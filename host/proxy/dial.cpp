#include "host/proxy/dial.h"

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "common/net/socket.h"

namespace ephemeralml::proxy {
namespace {

// Where the enclave may be: a name can have several addresses.
asio::awaitable<std::vector<StreamProtocol::endpoint>> Find(const net::Address& address) {
  std::vector<StreamProtocol::endpoint> found;
  if (address.context) {
    const net::ResolvedAddress resolved = net::Resolve(address).value();
    found.emplace_back(resolved.data(), resolved.size());
    co_return found;
  }
  // A name costs a thread that asks for it; an address in figures doesn't.
  boost::system::error_code is_name;
  const auto literal = asio::ip::make_address(address.host, is_name);
  if (!is_name) {
    found.emplace_back(asio::ip::tcp::endpoint(literal, static_cast<uint16_t>(address.port)));
    co_return found;
  }
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto [error, entries] =
      co_await resolver.async_resolve(address.host, std::to_string(address.port), kAsTuple);
  if (error) co_return found;
  for (const auto& entry : entries) found.emplace_back(entry.endpoint());
  co_return found;
}

}  // namespace

asio::awaitable<std::optional<Socket>> Dial(Context& context, const net::Address& address) {
  const auto endpoints = co_await Find(address);
  SocketStream stream(co_await asio::this_coro::executor);
  stream.expires_after(context.settings.connect_timeout);
  bool is_connected = false;
  if (!endpoints.empty()) {
    const auto [error, endpoint] = co_await stream.async_connect(endpoints, kAsTuple);
    is_connected = !error;
  }
  context.metrics.enclave_reachable = is_connected;
  if (!is_connected) co_return std::nullopt;
  co_return stream.release_socket();
}

}  // namespace ephemeralml::proxy
