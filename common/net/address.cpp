#include "common/net/address.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace ephemeralml::net {
namespace {

constexpr size_t kLongestHost = 253;  // RFC 1035 §2.3.4
constexpr std::string_view kTcpScheme = "tcp://";
constexpr std::string_view kVsockScheme = "vsock://";
constexpr std::string_view kAnyName = "any";
constexpr uint32_t kLargestTcpPort = 65535;
// The largest number stands for any port or context: VMADDR_PORT_ANY, VMADDR_CID_ANY.
constexpr uint32_t kLargestVsockNumber = std::numeric_limits<uint32_t>::max() - 1;

bool IsHostCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '-' || c == '_' || c == ':';
}

std::optional<uint32_t> ParseNumber(std::string_view digits, uint32_t largest) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  if (error != std::errc() || end != digits.end() || number > largest) return std::nullopt;
  return number;
}

std::optional<Address> ParseVsock(std::string_view context, std::string_view port) {
  const auto port_number = ParseNumber(port, kLargestVsockNumber);
  const auto context_number =
      context == kAnyName ? kAnyContext : ParseNumber(context, kLargestVsockNumber);
  if (!port_number || !context_number) return std::nullopt;
  return Address{{}, *port_number, *context_number};
}

std::optional<Address> ParseTcp(std::string_view host, std::string_view port) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto number = ParseNumber(port, kLargestTcpPort);
  if (!number || host.empty() || host.size() > kLongestHost ||
      !std::ranges::all_of(host, IsHostCharacter) ||
      (host.find(':') != std::string_view::npos) != bracketed) {
    return std::nullopt;
  }
  return Address{std::string(host), *number};
}

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  const Error malformed{Code::kInvalidArgument, "address_malformed",
                        "an address must look like HOST:PORT, tcp://HOST:PORT or vsock://CID:PORT, "
                        "not '" +
                            std::string(text.substr(0, 100)) + "'"};
  const bool is_vsock = text.starts_with(kVsockScheme);
  if (is_vsock) text.remove_prefix(kVsockScheme.size());
  if (!is_vsock && text.starts_with(kTcpScheme)) text.remove_prefix(kTcpScheme.size());
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  const auto parse = is_vsock ? &ParseVsock : &ParseTcp;
  if (auto address = parse(text.substr(0, colon), text.substr(colon + 1))) return *address;
  return malformed;
}

std::string Address::Authority() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  std::string name = is_ipv6 ? "[" + host + "]" : host;
  if (context) name = *context == kAnyContext ? kAnyName : std::to_string(*context);
  return name + ":" + std::to_string(port);
}

std::string Address::Url() const {
  return std::string(context ? kVsockScheme : kTcpScheme) + Authority();
}

}  // namespace ephemeralml::net
