#pragma once
// The way through the untrusted host to the enclave: an HTTP CONNECT tunnel. Nothing secret passes
// before the channel inside it is attested.

#include "common/net/http_client.h"

namespace ephemeralml::session {

/// A tunnel that was asked for. Errors of both calls: kIo `connection_refused`,
/// `deadline_exceeded`, `tunnel_refused` (the host's own reason is in `what`), kMalformed
/// `http_malformed`, kBusy `tunnel_refused`, `enclave_busy`.
class TunnelRequest {
 public:
  /// Connects to `host` and asks for a tunnel to `enclave_name` (an authority, HOST:PORT).
  static Result<TunnelRequest> Send(const net::Address& host, const std::string& enclave_name,
                                    net::Deadline deadline);
  /// Waits for the host's answer. To be called once.
  Result<UniqueFd> Await(net::Deadline deadline);

 private:
  TunnelRequest(net::HttpConnection connection, std::string enclave_name);

  net::HttpConnection connection_;
  std::string enclave_name_;
};

/// Both in one.
Result<UniqueFd> OpenTunnel(const net::Address& host, const std::string& enclave_name,
                            net::Deadline deadline);

}  // namespace ephemeralml::session
