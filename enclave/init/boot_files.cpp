#include "enclave/init/boot_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ephemeralml::init {
namespace {

constexpr size_t kLargestFileBytes = size_t{64} << 10;

std::optional<std::string> ReadAll(int file) {
  std::string text;
  std::array<char, 4096> piece = {};
  for (;;) {
    const ssize_t count = read(file, piece.data(), piece.size());
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || text.size() + static_cast<size_t>(count) > kLargestFileBytes) return {};
    text.append(piece.data(), static_cast<size_t>(count));
  }
}

}  // namespace

std::optional<std::vector<std::string>> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == 0 || end == std::string_view::npos) return {};
    const std::string_view line = text.substr(0, end);
    if (line.find('\0') != std::string_view::npos) return {};
    lines.emplace_back(line);
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::optional<std::vector<std::string>> ReadLines(const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const std::optional<std::string> text = ReadAll(file);
  (void)close(file);
  if (!text.has_value()) return {};
  return SplitLines(*text);
}

}  // namespace ephemeralml::init
