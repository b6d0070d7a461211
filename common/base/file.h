#pragma once
// Files and descriptors: owned, bounded, and written whole or not at all.

#include <filesystem>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/secret_bytes.h"

namespace ephemeralml {

/// Owns a file descriptor and closes it.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { Reset(); }

  int Get() const { return fd_; }
  bool IsOpen() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_ = -1;
};

/// An error of the operating system: `what` says the doing, errno's text is added.
Error ErrnoError(std::string_view reason, std::string_view what);

/// The whole file. Errors: kNotFound `file_not_found`, kIo `file_unreadable`, kOverLimit
/// `file_too_large` (more than `limit_bytes`).
Result<Bytes> ReadFile(const std::filesystem::path& path, size_t limit_bytes);

/// As ReadFile, for contents that are secret.
Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path, size_t limit_bytes);

/// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder: a
/// reader finds the old contents or the new, whole, whatever happens in between.
/// Errors: kIo `file_unwritable`.
Done WriteFileAtomically(const std::filesystem::path& path, ByteSpan contents, unsigned mode);

/// Makes the folder's own entries durable. Errors: kIo `file_unwritable`.
Done SyncFolder(const std::filesystem::path& folder);

/// Writes all of `bytes`, through interruptions. Errors: kIo `file_unwritable`.
Done WriteAll(int fd, ByteSpan bytes);

}  // namespace ephemeralml
