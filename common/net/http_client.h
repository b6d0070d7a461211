#pragma once
// One HTTP/1.1 connection to the host, for blob transfers and the CONNECT tunnel. The host is
// hostile: its heads are bounded and parsed by Beast, its bodies are bounded by the caller.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/net/socket.h"

namespace ephemeralml::net {

struct HttpRequest {
  std::string method;
  std::string target;
  std::string authority;
  std::vector<std::pair<std::string, std::string>> headers;
  uint64_t body_bytes = 0;
};

struct HttpResponse {
  unsigned status = 0;
  uint64_t body_bytes = 0;    ///< 0 if the response has none
  std::string content_range;  ///< empty if absent
};

/// Threads: one at a time.
class HttpConnection {
 public:
  explicit HttpConnection(UniqueFd socket);

  /// Sends a request's head; a body of `body_bytes` follows by SendBody. Errors: as SendAll.
  Done SendHead(const HttpRequest& request, Deadline deadline);
  Done SendBody(ByteSpan bytes, Deadline deadline);

  /// Receives a response's head. Errors: kMalformed `http_malformed` (not HTTP/1.1, over 16 KiB, or
  /// a body without a length), kIo as ReceiveSome. `has_body` is false for responses to HEAD and
  /// CONNECT.
  Result<HttpResponse> ReceiveHead(bool has_body, Deadline deadline);

  /// Receives the next bytes of the body, at most what is left of it; 0 when it is complete.
  /// Errors: kIo `connection_lost` if the peer ends early, and as ReceiveSome.
  Result<size_t> ReceiveBody(MutableByteSpan buffer, Deadline deadline);

  /// Receives the rest of a small body, such as an error's. Errors: kOverLimit
  /// `http_body_too_large`.
  Result<Bytes> ReceiveSmallBody(Deadline deadline);

  /// What came behind the last head or body.
  ByteSpan Early() const { return buffered_; }

  /// The socket, for the tunnel that a CONNECT opened. Errors: kMalformed `http_malformed` if the
  /// peer sent bytes before it was its turn.
  Result<UniqueFd> TakeSocket();

 private:
  UniqueFd socket_;
  Bytes buffered_;  // received after a head
  uint64_t body_left_ = 0;
};

}  // namespace ephemeralml::net
