#pragma once
// The shared libraries that a program needs, exactly: those that it names, and those that they
// name.

#include <filesystem>
#include <string>
#include <vector>

#include "client/image/elf_file.h"

namespace ephemeralml::image {

/// A file for the image.
struct PlacedFile {
  std::string path;  ///< in the image
  std::filesystem::path source;
  Bytes contents;
};

/// The folders of a machine's libraries on Debian, where their linker looks without a
/// configuration.
std::vector<std::filesystem::path> LibraryFolders(Machine machine);

/// The program's libraries, placed where its dynamic linker looks, and that linker; none for a
/// static program. Each library is taken from the first of `folders` that has it. Errors: kNotFound
/// `library_not_found`; kUnsupported `library_path_unsupported` (a file says itself where its
/// libraries are, or names one by a path); as ReadElf and ReadFile.
Result<std::vector<PlacedFile>> FindLibraries(const ElfFile& program,
                                              const std::vector<std::filesystem::path>& folders);

}  // namespace ephemeralml::image
