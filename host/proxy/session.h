#pragma once
// One connection's life: requests, one after the other. Private to this module.

#include "host/proxy/connection.h"

namespace ephemeralml::proxy {

/// Serves requests until either side has had enough.
asio::awaitable<void> ServeConnection(Context& context, Socket socket, Counted counted);

/// Tells a connection over the limit to come back later.
asio::awaitable<void> TurnAway(Context& context, Socket socket, Counted counted);

}  // namespace ephemeralml::proxy
