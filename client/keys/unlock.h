#pragma once
// What opens a topology key on disk: a passphrase or a key file. Neither ever passes through the
// command line or the environment, where other processes could read it.

#include <filesystem>
#include <string_view>

#include "common/base/secret_bytes.h"

namespace ephemeralml::keys {

inline constexpr size_t kKeyFileBytes = 32;
inline constexpr size_t kLongestPassphraseBytes = 1024;

/// Secrets: holds the passphrase, or the key file's contents.
class Unlock {
 public:
  enum class Kind { kPassphrase, kKeyFile };
  /// Whether a prompt asks twice, for a new passphrase, as it should where a new key is sealed.
  enum class Prompt { kOnce, kTwice };

  /// Errors: kInvalidArgument `passphrase_invalid` (empty or too long).
  static Result<Unlock> FromPassphrase(SecretBytes passphrase);
  /// The file's first and only line. Errors: those of ReadSecretFile, kInvalidArgument
  /// `passphrase_invalid` (empty, too long, several lines).
  static Result<Unlock> FromPassphraseFile(const std::filesystem::path& path);
  /// Asks at the process's terminal, without echo. Errors: kIo `terminal_unavailable`,
  /// kInvalidArgument `passphrase_invalid` (empty, too long, the two differ, Ctrl-C).
  static Result<Unlock> FromPrompt(Prompt prompt);
  /// 32 bytes, as CreateKeyFile writes them. Errors: those of ReadSecretFile, kInvalidArgument
  /// `key_file_invalid` (another size).
  static Result<Unlock> FromKeyFile(const std::filesystem::path& path);

  Kind kind() const { return kind_; }
  const SecretBytes& secret() const { return secret_; }

 private:
  Unlock(Kind kind, SecretBytes secret) : kind_(kind), secret_(std::move(secret)) {}

  Kind kind_;
  SecretBytes secret_;
};

/// Writes 32 random bytes with mode 0600. Refuses to replace a file: keys may depend on it.
/// Errors: kInvalidArgument `key_file_exists`, kIo `file_unwritable`.
Done CreateKeyFile(const std::filesystem::path& path);

}  // namespace ephemeralml::keys
