#pragma once
// Reading a sealed weight blob from the untrusted host's store, as a stream. Whoever reads checks
// each chunk's tag: nothing here does.

#include "client/session/blob_upload.h"
#include "common/net/http_client.h"

namespace ephemeralml::session {

/// Threads: one at a time.
class BlobDownload {
 public:
  /// Asks for the bytes from `first_byte` (less than `blob_bytes`) to the end. Needs no token.
  /// Errors: kIo `blob_refused`; kUnauthentic `blob_incomplete` (the host's blob has another
  /// length); those of connections.
  static Result<BlobDownload> Open(const BlobStoreAccess& access, const std::string& blob_id,
                                   uint64_t first_byte, uint64_t blob_bytes);

  /// The next bytes; 0 at the end. Errors: kIo `connection_lost`, `deadline_exceeded`.
  Result<size_t> Read(MutableByteSpan out) {
    return connection_.ReceiveBody(out, net::After(timeout_ms_));
  }

 private:
  BlobDownload(net::HttpConnection connection, int64_t timeout_ms)
      : connection_(std::move(connection)), timeout_ms_(timeout_ms) {}

  net::HttpConnection connection_;
  int64_t timeout_ms_;
};

}  // namespace ephemeralml::session
