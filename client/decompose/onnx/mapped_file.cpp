#include "client/decompose/onnx/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "common/base/file.h"

namespace ephemeralml::onnx {

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.IsOpen() && errno == ENOENT) {
    return Error{Code::kNotFound, "file_not_found", "no such file: " + path.string()};
  }
  struct stat status = {};
  if (!fd.IsOpen() || fstat(fd.Get(), &status) != 0) {
    return ErrnoError("file_unreadable", "can't open " + path.string());
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{Code::kIo, "file_unreadable", path.string() + " is not a regular file"};
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return MappedFile({});
  void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.Get(), 0);
  if (memory == MAP_FAILED) return ErrnoError("file_unreadable", "can't map " + path.string());
  return MappedFile({static_cast<const uint8_t*>(memory), size});
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) (void)munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

void MappedFile::Forget(ByteSpan part) const {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uint8_t* const file_begin = bytes_.data();
  const uint8_t* const file_end = file_begin + bytes_.size();
  if (part.empty() || part.data() < file_begin || part.data() + part.size() > file_end) return;
  const size_t begin = (static_cast<size_t>(part.data() - file_begin) + page - 1) / page * page;
  const size_t end = static_cast<size_t>(part.data() + part.size() - file_begin) / page * page;
  if (begin >= end) return;
  (void)madvise(const_cast<uint8_t*>(file_begin) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace ephemeralml::onnx
