#pragma once
// Where to connect to or listen on, as people write it.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace ephemeralml::net {

/// A TCP host and port.
struct Address {
  std::string host;
  uint16_t port = 0;

  /// Reads `tcp://HOST:PORT` or `HOST:PORT`; an IPv6 host stands in brackets.
  /// Errors: kInvalidArgument `address_malformed`.
  static Result<Address> Parse(std::string_view text);

  /// `HOST:PORT`, as it stands in an HTTP authority.
  std::string Authority() const;
};

}  // namespace ephemeralml::net
