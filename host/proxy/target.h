#pragma once
// What a request's target names. The target comes from the peer; whatever isn't written exactly as
// the API writes it names nothing.

#include <string_view>

namespace ephemeralml::proxy {

struct Target {
  enum class Kind { kBlob, kHealth, kReady, kNothing };

  Kind kind = Kind::kNothing;
  std::string_view blob_id;  ///< unchecked; only of a blob
};

/// Reads an origin-form target, or an absolute one of scheme http (RFC 9112 §3.2).
Target ParseTarget(std::string_view text);

}  // namespace ephemeralml::proxy
