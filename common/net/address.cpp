#include "common/net/address.h"

#include <algorithm>
#include <charconv>

namespace ephemeralml::net {
namespace {

constexpr size_t kLongestHost = 253;  // RFC 1035 §2.3.4

bool IsHostCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '-' || c == '_' || c == ':';
}

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  const Error malformed{Code::kInvalidArgument, "address_malformed",
                        "an address must look like HOST:PORT or tcp://HOST:PORT, not '" +
                            std::string(text.substr(0, 100)) + "'"};
  if (text.starts_with("tcp://")) text.remove_prefix(6);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.size() > kLongestHost || !std::ranges::all_of(host, IsHostCharacter) ||
      (host.find(':') != std::string_view::npos) != bracketed) {
    return malformed;
  }
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), port);
  if (error != std::errc() || end != digits.end()) return malformed;
  return Address{std::string(host), port};
}

std::string Address::Authority() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace ephemeralml::net
