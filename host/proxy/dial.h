#pragma once
// Connections that the host opens itself, all to the enclave. Private to this module.

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "host/proxy/connection.h"

namespace ephemeralml::proxy {

/// A connection to `address`, or nothing if none came about within the connect timeout; notes
/// which.
asio::awaitable<std::optional<Socket>> Dial(Context& context, const net::Address& address);

}  // namespace ephemeralml::proxy
