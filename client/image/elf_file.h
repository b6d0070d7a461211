#pragma once
// What an image's builder asks of programs, libraries and kernel modules: 64-bit little-endian ELF.
// Source: System V Application Binary Interface, chapters 4 and 5.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::image {

enum class Machine { kX86_64, kArm64 };

struct ElfFile {
  Machine machine = Machine::kX86_64;
  std::string interpreter;          ///< the dynamic linker's path; empty: it needs none
  std::vector<std::string> needed;  ///< names of shared libraries, in the file's order
  bool names_folders = false;       ///< it says itself where libraries are (RPATH, RUNPATH)
};

/// Errors: kMalformed `elf_malformed`; kUnsupported `elf_machine_unsupported`.
Result<ElfFile> ReadElf(ByteSpan file);

/// The contents of a section. Absent if there is none of that name. Errors: kMalformed
/// `elf_malformed`.
Result<std::optional<ByteSpan>> FindElfSection(ByteSpan file, std::string_view name);

}  // namespace ephemeralml::image
