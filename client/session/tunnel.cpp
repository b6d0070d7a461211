#include "client/session/tunnel.h"

#include <algorithm>

#include "client/session/host_error.h"
#include "common/channel/busy.h"
#include "common/net/http_client.h"

namespace ephemeralml::session {

Result<UniqueFd> OpenTunnel(const net::Address& host, const std::string& enclave_name,
                            net::Deadline deadline) {
  TRY(const net::ResolvedAddress address, net::Resolve(host));
  TRY(UniqueFd socket, net::Connect(address, deadline));
  net::HttpConnection connection(std::move(socket));
  TRY_OK(connection.SendHead({"CONNECT", enclave_name, enclave_name, {}, 0}, deadline));
  TRY(const net::HttpResponse response, connection.ReceiveHead(false, deadline));
  if (response.status != 200) {
    return Error{response.status == 503 ? Code::kBusy : Code::kIo, "tunnel_refused",
                 "the host refuses a tunnel to " + enclave_name + " (HTTP " +
                     std::to_string(response.status) + "): " + ExplainStatus(response.status)};
  }
  // It comes before the client's turn, and so right behind the host's answer.
  if (std::ranges::equal(connection.Early(), channel::kBusyAlert)) return channel::EnclaveBusy();
  return connection.TakeSocket();
}

}  // namespace ephemeralml::session
