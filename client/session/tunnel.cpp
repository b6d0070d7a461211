#include "client/session/tunnel.h"

#include <algorithm>
#include <utility>

#include "client/session/host_error.h"
#include "common/channel/busy.h"

namespace ephemeralml::session {

TunnelRequest::TunnelRequest(net::HttpConnection connection, std::string enclave_name)
    : connection_(std::move(connection)), enclave_name_(std::move(enclave_name)) {}

Result<TunnelRequest> TunnelRequest::Send(const net::Address& host, const std::string& enclave_name,
                                          net::Deadline deadline) {
  TRY(const net::ResolvedAddress address, net::Resolve(host));
  TRY(UniqueFd socket, net::Connect(address, deadline));
  net::HttpConnection connection(std::move(socket));
  TRY_OK(connection.SendHead({"CONNECT", enclave_name, enclave_name, {}, 0}, deadline));
  return TunnelRequest(std::move(connection), enclave_name);
}

Result<UniqueFd> TunnelRequest::Await(net::Deadline deadline) {
  TRY(const net::HttpResponse response, connection_.ReceiveHead(false, deadline));
  if (response.status != 200) {
    return Error{response.status == 503 ? Code::kBusy : Code::kIo, "tunnel_refused",
                 "the host refuses a tunnel to " + enclave_name_ + " (HTTP " +
                     std::to_string(response.status) + "): " + ExplainStatus(response.status)};
  }
  // It comes before the client's turn, and so right behind the host's answer.
  if (std::ranges::equal(connection_.Early(), channel::kBusyAlert)) return channel::EnclaveBusy();
  return connection_.TakeSocket();
}

Result<UniqueFd> OpenTunnel(const net::Address& host, const std::string& enclave_name,
                            net::Deadline deadline) {
  TRY(TunnelRequest request, TunnelRequest::Send(host, enclave_name, deadline));
  return request.Await(deadline);
}

}  // namespace ephemeralml::session
