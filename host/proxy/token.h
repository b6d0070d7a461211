#pragma once
// The bearer token that PUT and DELETE need. It lies in a file that only the host's user can read;
// whoever may upload is given a copy.

#include <filesystem>
#include <string_view>

#include "common/base/secret_bytes.h"

namespace ephemeralml::proxy {

/// Threads: any.
class Token {
 public:
  static constexpr size_t kDigits = 64;

  /// Reads the file, or makes it (mode 0600, 32 random bytes as hexadecimal) if it isn't there.
  /// Errors: kMalformed `token_malformed`, kInvalidArgument `token_exposed` (others may read the
  /// file), kIo `file_unreadable`, `file_unwritable`.
  static Result<Token> LoadOrMake(const std::filesystem::path& path);

  /// Reads what a token file holds: 64 hexadecimal digits and perhaps a line's end.
  /// Errors: kMalformed `token_malformed`.
  static Result<Token> Parse(ByteSpan contents);

  /// True if an Authorization header is `Bearer` and this token (RFC 6750 §2.1). The time it takes
  /// doesn't depend on how much of a token is right.
  bool Authorizes(std::string_view authorization) const;

 private:
  explicit Token(SecretBytes digits) : digits_(std::move(digits)) {}

  SecretBytes digits_;
};

}  // namespace ephemeralml::proxy
