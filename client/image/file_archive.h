#pragma once
// A ramdisk: the archive (cpio, "newc") that a kernel unpacks at boot. The same files make the same
// bytes: sorted by path, numbered in that order, owned by root, of no time.
// Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

#include <map>
#include <string>

#include "common/base/bytes.h"

namespace ephemeralml::image {

class FileArchive {
 public:
  /// Adds a file and the folders above it. `path` begins with `/`; a path is added once.
  /// Errors: kInvalidArgument `archive_path_invalid` (relative, twice, or with a part that is
  /// empty,
  /// `.` or `..`); kOverLimit `archive_file_too_large` (4 GiB and more).
  Done AddFile(std::string_view path, Bytes contents, bool is_executable);
  Done AddFolder(std::string_view path);
  /// The console, which the kernel opens for the first program before anything is mounted.
  Done AddConsole();

  /// The archive, ended and padded to 512 bytes, so that another may follow it.
  Bytes Pack() const;

 private:
  struct Entry {
    uint32_t mode = 0;
    Bytes contents;
    uint32_t device_major = 0;
    uint32_t device_minor = 0;
  };

  Done Add(std::string_view path, Entry entry);

  std::map<std::string, Entry> entries_;  // without the first '/'
};

}  // namespace ephemeralml::image
