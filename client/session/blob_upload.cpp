#include "client/session/blob_upload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "client/session/host_error.h"
#include "common/net/http_client.h"

namespace ephemeralml::session {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
constexpr size_t kLargestTokenBytes = 4096;

// The token authorizes writing to an untrusted host; it opens nothing.
Result<std::string> AuthorizationHeader(const BlobStoreAccess& access) {
  TRY(const Bytes token, ReadFile(access.token_file, kLargestTokenBytes));
  std::string_view text = AsText(token);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
  if (text.empty() || !printable) {
    return Error{Code::kInvalidArgument, "token_malformed",
                 access.token_file.string() + " doesn't hold a host's token"};
  }
  return "Bearer " + std::string(text);
}

Result<net::HttpConnection> Connect(const BlobStoreAccess& access) {
  TRY(const net::ResolvedAddress address, net::Resolve(access.host));
  TRY(UniqueFd socket, net::Connect(address, net::After(access.timeout_ms)));
  return net::HttpConnection(std::move(socket));
}

Error Refused(unsigned status) {
  return {
      Code::kIo, "blob_refused",
      "the host refuses the blob (HTTP " + std::to_string(status) + "): " + ExplainStatus(status)};
}

Done SendFile(net::HttpConnection& connection, int fd, uint64_t size, int64_t timeout_ms,
              const Progress& progress) {
  Bytes buffer(kPieceBytes);
  for (uint64_t sent = 0; sent < size;) {
    const ssize_t count = read(fd, buffer.data(), std::min<uint64_t>(buffer.size(), size - sent));
    if (count <= 0) return Error{Code::kIo, "file_unreadable", "the blob's file ended early"};
    TRY_OK(connection.SendBody(ByteSpan(buffer).first(static_cast<size_t>(count)),
                               net::After(timeout_ms)));
    sent += static_cast<uint64_t>(count);
    if (progress) progress(sent, size);
  }
  return {};
}

}  // namespace

Result<UploadOutcome> UploadBlob(const BlobStoreAccess& access, const std::string& blob_id,
                                 const std::filesystem::path& blob, const Progress& progress) {
  const UniqueFd fd(open(blob.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!fd.IsOpen() || fstat(fd.Get(), &status) != 0) {
    return ErrnoError("file_unreadable", "can't open " + blob.string());
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  TRY(const std::string authorization, AuthorizationHeader(access));
  TRY(net::HttpConnection connection, Connect(access));
  TRY_OK(connection.SendHead({"PUT",
                              "/v1/blobs/" + blob_id,
                              access.host.Authority(),
                              {{"Authorization", authorization}},
                              size},
                             net::After(access.timeout_ms)));
  const Done sent = SendFile(connection, fd.Get(), size, access.timeout_ms, progress);
  // A host that refuses may answer and close before it has read everything: its answer tells why.
  const auto response = connection.ReceiveHead(true, net::After(access.timeout_ms));
  if (!response) return sent ? response.error() : sent.error();
  if (response->status == 201) return UploadOutcome::kStored;
  if (response->status == 200) return UploadOutcome::kAlreadyThere;
  return Refused(response->status);
}

Done DeleteBlob(const BlobStoreAccess& access, const std::string& blob_id) {
  TRY(const std::string authorization, AuthorizationHeader(access));
  TRY(net::HttpConnection connection, Connect(access));
  const net::Deadline deadline = net::After(access.timeout_ms);
  TRY_OK(connection.SendHead({"DELETE",
                              "/v1/blobs/" + blob_id,
                              access.host.Authority(),
                              {{"Authorization", authorization}},
                              0},
                             deadline));
  TRY(const net::HttpResponse response, connection.ReceiveHead(true, deadline));
  if (response.status / 100 != 2) return Refused(response.status);
  return {};
}

}  // namespace ephemeralml::session
