#include "client/decompose/atomic_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ephemeralml::decompose {
namespace {

std::filesystem::path FolderOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

}  // namespace

Result<AtomicFile> AtomicFile::Create(std::filesystem::path path) {
  const std::filesystem::path folder = FolderOf(path);
  std::string temporary = (folder / ("." + path.filename().string() + ".XXXXXX")).string();
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.IsOpen()) {
    return ErrnoError("file_unwritable", "can't create a file in " + folder.string());
  }
  return AtomicFile(std::move(path), std::move(temporary), std::move(fd));
}

AtomicFile::~AtomicFile() {
  if (fd_.IsOpen()) (void)unlink(temporary_.c_str());
}

Done AtomicFile::Commit(unsigned mode) {
  if (fchmod(fd_.Get(), mode) != 0 || fsync(fd_.Get()) != 0 ||
      rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoError("file_unwritable", "can't write " + path_.string());
  }
  fd_.Reset();
  return SyncFolder(FolderOf(path_));
}

}  // namespace ephemeralml::decompose
