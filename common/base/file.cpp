#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

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

Error TooLarge(const std::filesystem::path& path, size_t limit_bytes) {
  return {Code::kOverLimit, "file_too_large",
          path.string() + " has more bytes than the " + std::to_string(limit_bytes) +
              " that are allowed"};
}

Result<size_t> ReadSome(int fd, MutableByteSpan out, const std::filesystem::path& path) {
  ssize_t count = 0;
  do {
    count = read(fd, out.data(), out.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ErrnoError("file_unreadable", "can't read " + path.string());
  return static_cast<size_t>(count);
}

// How much room the contents take, as far as that can be told: pipes, terminals and the kernel's
// own files have no size before their end was read.
Result<size_t> ExpectedSize(int fd, const std::filesystem::path& path, size_t limit_bytes) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return ErrnoError("file_unreadable", "can't stat " + path.string());
  const auto size = static_cast<size_t>(status.st_size);
  if (S_ISREG(status.st_mode) && size > limit_bytes) return TooLarge(path, limit_bytes);
  return S_ISREG(status.st_mode) ? size : 0;
}

Bytes Grown(const Bytes& from, size_t size) {
  Bytes larger = from;
  larger.resize(size);
  return larger;
}
MutableByteSpan Room(Bytes& buffer) { return buffer; }

SecretBytes Grown(const SecretBytes& from, size_t size) {
  SecretBytes larger(size);
  std::ranges::copy(from.Reveal(), larger.Fill().begin());
  return larger;
}
MutableByteSpan Room(SecretBytes& buffer) { return buffer.Fill(); }

// Reads to the end, which a byte too many would show; what had no size, or grows, is read on until
// the limit. Gives the buffer and how much of it was filled.
template <class Buffer>
Result<std::pair<Buffer, size_t>> ReadToEnd(int fd, const std::filesystem::path& path,
                                            size_t limit_bytes) {
  constexpr size_t kLeastRoom = 4096;
  TRY(const size_t expected, ExpectedSize(fd, path, limit_bytes));
  Buffer buffer(expected > 0 ? expected : std::min(kLeastRoom, limit_bytes));
  for (size_t size = 0;;) {
    uint8_t one_more = 0;
    const bool is_full = size == buffer.size();
    TRY(const size_t count,
        ReadSome(fd, is_full ? MutableByteSpan(&one_more, 1) : Room(buffer).subspan(size), path));
    if (count == 0) return std::pair(std::move(buffer), size);
    if (is_full && size == limit_bytes) return TooLarge(path, limit_bytes);
    if (is_full) {
      buffer = Grown(buffer, std::min(std::max(size * 2, kLeastRoom), limit_bytes));
      Room(buffer)[size] = one_more;
    }
    size += count;
  }
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
  TRY(auto read, ReadToEnd<Bytes>(fd.Get(), path, limit_bytes));
  read.first.resize(read.second);
  return std::move(read.first);
}

Result<SecretBytes> ReadSecretFile(const std::filesystem::path& path, size_t limit_bytes) {
  TRY(const UniqueFd fd, OpenToRead(path));
  TRY(auto read, ReadToEnd<SecretBytes>(fd.Get(), path, limit_bytes));
  if (read.second == read.first.size()) return std::move(read.first);
  return SecretBytes::CopyOf(read.first.Reveal().first(read.second));
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
