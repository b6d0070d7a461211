#pragma once
// The CONNECT tunnel: bytes between a client and the enclave, unchanged, in order, and none kept.
// What they are is sealed end to end. Private to this module.

#include "host/proxy/connection.h"

namespace ephemeralml::proxy {

/// Serves a CONNECT until both directions have ended; the connection is used up by it.
asio::awaitable<void> ServeTunnel(Connection& connection, const Request& request);

}  // namespace ephemeralml::proxy
