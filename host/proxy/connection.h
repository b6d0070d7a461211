#pragma once
// One client's connection and how answers go out on it. Private to this module.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "host/proxy/context.h"

namespace ephemeralml::proxy {

namespace http = boost::beast::http;
// TCP, or the hypervisor's sockets.
using StreamProtocol = asio::generic::stream_protocol;
using Socket = StreamProtocol::socket;
using SocketStream = boost::beast::basic_stream<StreamProtocol>;
using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

/// Threads: its strand's.
struct Connection {
  Connection(Context& server_context, Socket socket)
      : context(server_context),
        stream(std::move(socket)),
        received(server_context.settings.header_bytes) {}

  Context& context;
  SocketStream stream;
  boost::beast::flat_buffer received;  // and not consumed yet

  // Of the request that is being served:
  bool keep_open = true;
  bool is_head = false;
  unsigned status = 0;  // 0: no answer was sent
  uint64_t body_bytes_in = 0;
  uint64_t body_bytes_out = 0;
};

/// The answer that refuses a request for an error's reason; counts it.
Response MakeRefusal(Connection& connection, std::string_view reason);

/// Sends an answer, to HEAD without its body. A peer that doesn't take it in time is cut.
asio::awaitable<void> Send(Connection& connection, Response response);

/// Sends an answer's head, whose Content-Length is set; false if the peer is gone.
asio::awaitable<bool> SendHead(Connection& connection, Response& response);

/// Sends bytes of a body; false if the peer is gone or too slow.
asio::awaitable<bool> SendBody(Connection& connection, ByteSpan bytes);

/// Ends our side and lets the peer read the last answer, which a plain close would destroy if the
/// peer is still sending.
asio::awaitable<void> CloseGently(Connection& connection);

}  // namespace ephemeralml::proxy
