#pragma once
// The second port, for this machine alone: GET /metrics. Private to this module.

#include "host/proxy/connection.h"

namespace ephemeralml::proxy {

/// Answers one request and ends the connection. Asks the enclave for its counters, if it is told
/// where.
asio::awaitable<void> ServeMetrics(Context& context, Socket socket, Counted counted);

}  // namespace ephemeralml::proxy
