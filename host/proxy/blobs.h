#pragma once
// The requests on /v1/blobs/{id}. Bodies go through one buffer of fixed size, whatever the blob's.
// Private to this module.

#include "host/proxy/connection.h"

namespace ephemeralml::proxy {

/// Serves one request on a blob. `length` is the request's Content-Length.
asio::awaitable<void> ServeBlob(Connection& connection, const Request& request,
                                std::optional<uint64_t> length, std::string_view id_text);

}  // namespace ephemeralml::proxy
