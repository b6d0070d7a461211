#pragma once
// What the image tells its first program: which modules to load and which program to run. Written
// by client/image, measured with everything else; layout in docs/formats/enclave_image.md.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ephemeralml::init {

/// One path a line, in the order of loading; in the first ramdisk.
inline constexpr const char* kModulesFile = "/boot/modules";
/// The program's path and its arguments, one a line; in the second ramdisk.
inline constexpr const char* kCommandFile = "/boot/command";

/// The lines of `text`. Absent if one is empty, holds a zero byte or isn't ended.
std::optional<std::vector<std::string>> SplitLines(std::string_view text);

/// The lines of a file of at most 64 KiB. Absent if it can't be read or isn't made of lines.
std::optional<std::vector<std::string>> ReadLines(const char* path);

}  // namespace ephemeralml::init
