#include "client/session/blob_download.h"

#include "client/session/host_error.h"

namespace ephemeralml::session {
namespace {

// RFC 9110 §15.3.7, §15.5.17
constexpr unsigned kPartialContent = 206;
constexpr unsigned kRangeNotSatisfiable = 416;

}  // namespace

Result<BlobDownload> BlobDownload::Open(const BlobStoreAccess& access, const std::string& blob_id,
                                        uint64_t first_byte, uint64_t blob_bytes) {
  CHECK(first_byte < blob_bytes);
  const net::Deadline deadline = net::After(access.timeout_ms);
  TRY(const net::ResolvedAddress address, net::Resolve(access.host));
  TRY(UniqueFd socket, net::Connect(address, deadline));
  net::HttpConnection connection(std::move(socket));
  const std::string range = std::to_string(first_byte) + "-" + std::to_string(blob_bytes - 1);
  TRY_OK(connection.SendHead(
      {"GET", "/v1/blobs/" + blob_id, access.host.Authority(), {{"Range", "bytes=" + range}}, 0},
      deadline));
  TRY(const net::HttpResponse response, connection.ReceiveHead(true, deadline));
  if (response.status != kPartialContent && response.status != kRangeNotSatisfiable) {
    return Error{Code::kIo, "blob_refused",
                 "the host doesn't give blob " + blob_id + " (HTTP " +
                     std::to_string(response.status) + "): " + ExplainStatus(response.status)};
  }
  if (response.status != kPartialContent || response.body_bytes != blob_bytes - first_byte ||
      response.content_range != "bytes " + range + "/" + std::to_string(blob_bytes)) {
    return Error{Code::kUnauthentic, "blob_incomplete",
                 "the host's blob " + blob_id + " hasn't the length that its topology key says"};
  }
  return BlobDownload(std::move(connection), access.timeout_ms);
}

}  // namespace ephemeralml::session
