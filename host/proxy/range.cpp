#include "host/proxy/range.h"

#include <algorithm>
#include <limits>

namespace ephemeralml::proxy {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Error Malformed() {
  return {Code::kMalformed, "range_malformed", "Range must be bytes=FIRST-LAST, FIRST- or -LENGTH"};
}

Error Unsatisfiable() {
  return {Code::kInvalidArgument, "range_unsatisfiable", "the range lies beyond the blob's end"};
}

// A number of any length is well-formed: one beyond what we can count is as good as the largest.
uint64_t Saturated(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (kMost - digit) / 10) return kMost;
    value = value * 10 + digit;
  }
  return value;
}

std::string_view TrimSpace(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<std::optional<ByteRange>> ParseRange(std::string_view header, uint64_t size_bytes) {
  const size_t equals = header.find('=');
  if (equals == std::string_view::npos) return Malformed();
  const std::string_view unit = TrimSpace(header.substr(0, equals));
  if (!std::ranges::equal(unit, std::string_view("bytes"), {}, ToLower)) {
    return std::optional<ByteRange>();
  }
  const std::string_view range = TrimSpace(header.substr(equals + 1));
  if (range.find(',') != std::string_view::npos) {
    return Error{Code::kUnsupported, "range_multiple", "one range at a time is served"};
  }
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos) return Malformed();
  const std::string_view first_digits = range.substr(0, dash);
  const std::string_view last_digits = range.substr(dash + 1);
  if (!std::ranges::all_of(first_digits, IsDigit) || !std::ranges::all_of(last_digits, IsDigit) ||
      (first_digits.empty() && last_digits.empty())) {
    return Malformed();
  }
  if (first_digits.empty()) {
    const uint64_t count = std::min(Saturated(last_digits), size_bytes);
    if (count == 0) return Unsatisfiable();
    return ByteRange{size_bytes - count, count};
  }
  const uint64_t first = Saturated(first_digits);
  const uint64_t last = last_digits.empty() ? kMost : Saturated(last_digits);
  if (last < first) return Malformed();
  if (first >= size_bytes) return Unsatisfiable();
  return ByteRange{first, std::min(last, size_bytes - 1) - first + 1};
}

}  // namespace ephemeralml::proxy
