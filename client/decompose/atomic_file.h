#pragma once
// A file that is written piece by piece and appears whole or not at all.

#include <filesystem>
#include <string>

#include "common/base/file.h"

namespace ephemeralml::decompose {

/// Errors of all: kIo `file_unwritable`. What isn't committed is removed on destruction.
class AtomicFile {
 public:
  static Result<AtomicFile> Create(std::filesystem::path path);
  AtomicFile(AtomicFile&&) = default;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Done Write(ByteSpan bytes) { return WriteAll(fd_.Get(), bytes); }
  /// Syncs the file, gives it its name, in place of any file that had it, and syncs the folder.
  Done Commit(unsigned mode);

 private:
  AtomicFile(std::filesystem::path path, std::string temporary, UniqueFd fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  std::string temporary_;
  UniqueFd fd_;
};

}  // namespace ephemeralml::decompose
