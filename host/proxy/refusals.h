#pragma once
// The reasons for which a request is refused: to each its status and what the peer is told. Nothing
// of an error's own text goes out: it may name our folders.

#include <span>
#include <string>
#include <string_view>

namespace ephemeralml::proxy {

struct Refusal {
  std::string_view reason;
  unsigned status;
  std::string_view message;

  /// The body: a JSON object.
  std::string Json() const;
};

/// The refusal of an error's reason; `internal` if peers are never told that reason.
const Refusal& FindRefusal(std::string_view reason);

/// All of them, sorted by reason.
std::span<const Refusal> Refusals();

}  // namespace ephemeralml::proxy
