#pragma once
// A file as memory, read-only. Pages come when they are touched and go when they are forgotten, so
// a large file needs little memory.

#include <filesystem>

#include "common/base/bytes.h"

namespace ephemeralml::onnx {

/// Nobody may shorten the file while it is mapped: touching a page that is gone ends the process.
class MappedFile {
 public:
  /// Errors: kNotFound `file_not_found`, kIo `file_unreadable` (not a regular file, too).
  static Result<MappedFile> Open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  ByteSpan bytes() const { return bytes_; }
  /// Gives back the memory of the pages that `part` fills. They come again when touched.
  void Forget(ByteSpan part) const;

 private:
  explicit MappedFile(ByteSpan bytes) : bytes_(bytes) {}

  ByteSpan bytes_;
};

}  // namespace ephemeralml::onnx
