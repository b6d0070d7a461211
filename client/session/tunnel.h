#pragma once
// The way through the untrusted host to the enclave: an HTTP CONNECT tunnel. Nothing secret passes
// before the channel inside it is attested.

#include "common/net/socket.h"

namespace ephemeralml::session {

/// Connects to `host` and asks for a tunnel to `enclave_name` (an authority, HOST:PORT).
/// Errors: kIo `connection_refused`, `deadline_exceeded`, `tunnel_refused` (the host's own reason
/// is in `what`), kMalformed `http_malformed`.
Result<UniqueFd> OpenTunnel(const net::Address& host, const std::string& enclave_name,
                            net::Deadline deadline);

}  // namespace ephemeralml::session
