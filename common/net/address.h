#pragma once
// Where to connect to or listen on, as people write it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace ephemeralml::net {

/// A machine's context id on a hypervisor's sockets (AF_VSOCK, vsock(7)).
using ContextId = uint32_t;

/// Listens for whoever comes, as `vsock://any:PORT`; nobody can be called by it.
inline constexpr ContextId kAnyContext = 0xffffffff;

/// A TCP host and port; or, if `context` is there, a port of a virtual machine beside this one.
struct Address {
  std::string host;  ///< empty if `context` is there
  uint32_t port = 0;
  std::optional<ContextId> context = {};

  /// Reads `tcp://HOST:PORT`, `HOST:PORT` (an IPv6 host stands in brackets), `vsock://CID:PORT` or
  /// `vsock://any:PORT`. Errors: kInvalidArgument `address_malformed`.
  static Result<Address> Parse(std::string_view text);

  /// `HOST:PORT`, or `CID:PORT`, as it stands in an HTTP authority.
  std::string Authority() const;
  /// What Parse reads, scheme included.
  std::string Url() const;
};

}  // namespace ephemeralml::net
