#include "client/image/file_archive.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <initializer_list>
#include <limits>
#include <utility>

namespace ephemeralml::image {
namespace {

constexpr uint32_t kFolderMode = S_IFDIR | 0755;
constexpr uint32_t kConsoleMode = S_IFCHR | 0600;
constexpr uint32_t kConsoleMajor = 5;
constexpr uint32_t kConsoleMinor = 1;
constexpr size_t kAlignment = 4;
constexpr size_t kBlockBytes = 512;
constexpr std::string_view kEnd = "TRAILER!!!";

void Align(Bytes& archive, size_t alignment) {
  archive.resize((archive.size() + alignment - 1) / alignment * alignment, 0);
}

struct Fields {
  uint32_t number = 0;
  uint32_t mode = 0;
  uint32_t links = 1;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
};

void Append(Bytes& archive, std::string_view path, const Fields& fields, ByteSpan contents) {
  std::string header = "070701";
  // In the format's order; owner, group, time, the archive's own device and the checksum are zero.
  for (const size_t field :
       {size_t{fields.number}, size_t{fields.mode}, size_t{0}, size_t{0}, size_t{fields.links},
        size_t{0}, contents.size(), size_t{0}, size_t{0}, size_t{fields.device_major},
        size_t{fields.device_minor}, path.size() + 1, size_t{0}}) {
    header += fmt::format("{:08X}", field);
  }
  AppendBytes(archive, AsBytes(header));
  AppendBytes(archive, AsBytes(path));
  archive.push_back(0);
  Align(archive, kAlignment);
  AppendBytes(archive, contents);
  Align(archive, kAlignment);
}

bool IsPlain(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    path.remove_prefix(part.size());
  }
  return true;
}

}  // namespace

Done FileArchive::Add(std::string_view path, Entry entry) {
  const bool is_folder = entry.mode == kFolderMode;
  if (!IsPlain(path)) {
    return Error{Code::kInvalidArgument, "archive_path_invalid",
                 "'" + std::string(path) + "' isn't a plain path from the root"};
  }
  if (entry.contents.size() > std::numeric_limits<uint32_t>::max()) {
    return Error{Code::kOverLimit, "archive_file_too_large",
                 std::string(path) + " has 4 GiB or more"};
  }
  const size_t slash = path.rfind('/');
  if (slash != 0) TRY_OK(AddFolder(path.substr(0, slash)));
  const auto [place, is_new] = entries_.try_emplace(std::string(path.substr(1)), std::move(entry));
  if (!is_new && !(is_folder && place->second.mode == kFolderMode)) {
    return Error{Code::kInvalidArgument, "archive_path_invalid",
                 std::string(path) + " is in the ramdisk already"};
  }
  return {};
}

Done FileArchive::AddFile(std::string_view path, Bytes contents, bool is_executable) {
  const uint32_t mode = S_IFREG | (is_executable ? 0755U : 0644U);
  return Add(path, {.mode = mode, .contents = std::move(contents)});
}

Done FileArchive::AddFolder(std::string_view path) {
  return Add(path, {.mode = kFolderMode, .contents = {}});
}

Done FileArchive::AddConsole() {
  return Add("/dev/console", {.mode = kConsoleMode,
                              .contents = {},
                              .device_major = kConsoleMajor,
                              .device_minor = kConsoleMinor});
}

Bytes FileArchive::Pack() const {
  Bytes archive;
  uint32_t number = 0;
  for (const auto& [path, entry] : entries_) {
    const uint32_t links = entry.mode == kFolderMode ? 2 : 1;
    Append(archive, path, {++number, entry.mode, links, entry.device_major, entry.device_minor},
           entry.contents);
  }
  Append(archive, kEnd, {}, {});
  Align(archive, kBlockBytes);
  return archive;
}

}  // namespace ephemeralml::image
