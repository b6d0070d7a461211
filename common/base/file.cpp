#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <system_error>

namespace ephemeralml {
namespace {

Result<UniqueFd> OpenToRead(const std::filesystem::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.IsOpen()) return fd;
  if (errno == ENOENT) {
    return Error{Code::kNotFound, "file_not_found", "no such file: " + path.string()};
  }
  return ErrnoError("file_unreadable", "can't open " + path.string());
}

Result<size_t> BoundedSize(int fd, const std::filesystem::path& path, size_t limit_bytes) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return ErrnoError("file_unreadable", "can't stat " + path.string());
  const auto size = static_cast<size_t>(status.st_size);
  if (size > limit_bytes) {
    return Error{Code::kOverLimit, "file_too_large",
                 path.string() + " has " + std::to_string(size) + " bytes; at most " +
                     std::to_string(limit_bytes) + " are allowed"};
  }
  return size;
}

Done ReadExactly(int fd, MutableByteSpan out, const std::filesystem::path& path) {
  while (!out.empty()) {
    const ssize_t count = read(fd, out.data(), out.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError("file_unreadable", "can't read " + path.string());
    if (count == 0) {
      return Error{Code::kIo, "file_unreadable", path.string() + " shrank while it was read"};
    }
    out = out.subspan(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Error ErrnoError(std::string_view reason, std::string_view what) {
  const int error = errno;
  return {Code::kIo, reason, std::string(what) + ": " + std::system_category().message(error)};
}

Result<Bytes> ReadFile(const std::filesystem::path& path, size_t limit_bytes) {
  TRY(const UniqueFd fd, OpenToRead(path));
  TRY(const size_t size, BoundedSize(fd.Get(), path, limit_bytes));
  Bytes contents(size);
  TRY_OK(ReadExactly(fd.Get(), contents, path));
  return contents;
}

Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path, size_t limit_bytes) {
  TRY(const UniqueFd fd, OpenToRead(path));
  TRY(const size_t size, BoundedSize(fd.Get(), path, limit_bytes));
  SecretBytes contents(size);
  TRY_OK(ReadExactly(fd.Get(), contents.Fill(), path));
  return contents;
}

Done WriteAll(int fd, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError("file_unwritable", "can't write");
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

Done SyncFolder(const std::filesystem::path& folder) {
  const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.IsOpen() || fsync(fd.Get()) != 0) {
    return ErrnoError("file_unwritable", "can't sync " + folder.string());
  }
  return {};
}

Done WriteFileAtomically(const std::filesystem::path& path, ByteSpan contents, unsigned mode) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::string temporary = (folder / ("." + path.filename().string() + ".XXXXXX")).string();
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.IsOpen())
    return ErrnoError("file_unwritable", "can't create a file in " + folder.string());
  Done written = WriteAll(fd.Get(), contents);
  if (written && (fchmod(fd.Get(), mode) != 0 || fsync(fd.Get()) != 0 ||
                  rename(temporary.c_str(), path.c_str()) != 0)) {
    written = ErrnoError("file_unwritable", "can't write " + path.string());
  }
  if (!written) {
    (void)unlink(temporary.c_str());
    return written;
  }
  return SyncFolder(folder);
}

}  // namespace ephemeralml
