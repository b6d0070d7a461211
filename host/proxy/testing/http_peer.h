#pragma once
// A client for tests that can be as rude as it likes: it sends whatever bytes it is told, and reads
// answers strictly.

#include <map>
#include <string>
#include <string_view>

#include "common/base/file.h"

namespace ephemeralml::proxy::testing {

/// How long a test waits for what must happen.
inline constexpr int64_t kPatienceMs = 60'000;

struct Answer {
  unsigned status = 0;  ///< 0: the connection ended before an answer
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case
  std::string body;

  std::string Header(std::string_view name) const;
  /// The reason that a refusal's body names.
  std::string Reason() const;
};

class HttpPeer {
 public:
  explicit HttpPeer(uint16_t port);

  /// Sends; a peer that was cut may fail, which is nothing.
  void Send(std::string_view bytes);
  /// Reads one answer. `has_body` is false for answers to HEAD and CONNECT.
  Answer Receive(bool has_body = true);
  Answer Ask(std::string_view request, bool has_body = true);
  /// Reads exactly `count` bytes, fewer only if the connection ends.
  std::string ReceiveBytes(size_t count);
  /// Reads until the connection ends.
  std::string ReceiveRest();
  /// True once the other side has ended or reset the connection with nothing more to read.
  bool HasEnded() { return ReceiveRest().empty(); }
  /// Ends our side only.
  void EndSending();
  /// Ends the connection with a reset.
  void Reset();
  int fd() const { return socket_.Get(); }

 private:
  bool ReceiveMore();

  UniqueFd socket_;
  std::string received_;
};

/// A request with a Host header, more headers (each ending its line) and a body.
std::string MakeRequest(std::string_view method, std::string_view target,
                        std::string_view headers = "", std::string_view body = "");

}  // namespace ephemeralml::proxy::testing
