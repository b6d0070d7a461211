#pragma once
// The name that a client gave its weight blob. It comes from a URL, so it is hostile, and it
// becomes a file name, so nothing but its one exact form is let through.

#include <array>
#include <string_view>

#include "common/base/result.h"

namespace ephemeralml::store {

/// A weight blob's id: 128 bits as 32 lower-case hexadecimal digits.
class BlobId {
 public:
  static constexpr size_t kDigits = 32;

  /// Errors: kMalformed `blob_id_malformed`.
  static Result<BlobId> Parse(std::string_view text);

  std::string_view text() const { return {digits_.data(), digits_.size()}; }

 private:
  BlobId() = default;

  std::array<char, kDigits> digits_;
};

}  // namespace ephemeralml::store
