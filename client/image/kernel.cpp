#include "client/image/kernel.h"

#include <lzma.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "client/image/elf_file.h"
#include "common/base/file.h"
#include "common/base/owned.h"

namespace ephemeralml::image {
namespace {

constexpr size_t kLargestModuleBytes = size_t{64} << 20;
constexpr uint64_t kDecoderMemoryBytes = uint64_t{256} << 20;

Error Malformed(const std::string& what) {
  return {Code::kMalformed, "module_malformed", "a kernel module: " + what};
}

struct Decoder {
  lzma_stream stream = LZMA_STREAM_INIT;
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { lzma_end(&stream); }
};

Result<Bytes> Decompress(ByteSpan compressed) {
  Decoder decoder;
  CHECK(lzma_stream_decoder(&decoder.stream, kDecoderMemoryBytes, 0) == LZMA_OK);
  decoder.stream.next_in = compressed.data();
  decoder.stream.avail_in = compressed.size();
  Bytes plain;
  std::vector<uint8_t> piece(size_t{1} << 20);
  for (lzma_ret state = LZMA_OK; state != LZMA_STREAM_END;) {
    decoder.stream.next_out = piece.data();
    decoder.stream.avail_out = piece.size();
    state = lzma_code(&decoder.stream, LZMA_FINISH);
    if (state != LZMA_OK && state != LZMA_STREAM_END) return Malformed("it doesn't decompress");
    AppendBytes(plain, ByteSpan(piece).first(piece.size() - decoder.stream.avail_out));
    if (plain.size() > kLargestModuleBytes) return Malformed("it is too large");
  }
  return plain;
}

// `.modinfo` is a run of KEY=VALUE, each ended by zero.
std::string Information(ByteSpan section, std::string_view key) {
  std::string_view rest = AsText(section);
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find('\0'));
    if (entry.starts_with(key) && entry.substr(key.size()).starts_with('=')) {
      return std::string(entry.substr(key.size() + 1));
    }
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
  }
  return {};
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(text.size(), part.size() + 1));
  }
  return parts;
}

// Kernels take '-' and '_' in a module's name for the same.
std::string ModuleName(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  name.resize(std::min(name.size(), name.find('.')));
  std::ranges::replace(name, '-', '_');
  return name;
}

struct Requirement {
  std::string_view option;
  std::string_view
      module;  // that does as well, if it goes with the kernel; empty: must be built in
};

// What Nitro's machine shows its kernel: virtio devices over MMIO, named on the command line, and a
// serial console; the rest is what an enclave of ours lives on.
constexpr std::array<Requirement, 8> kNitroNeeds = {{
    {"CONFIG_VIRTIO_MMIO", "virtio_mmio"},
    {"CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES", ""},
    {"CONFIG_VSOCKETS", "vsock"},
    {"CONFIG_VIRTIO_VSOCKETS", "vmw_vsock_virtio_transport"},
    {"CONFIG_NSM", "nsm"},
    {"CONFIG_BLK_DEV_INITRD", ""},
    {"CONFIG_DEVTMPFS", ""},
    {"CONFIG_PROC_FS", ""},
}};

}  // namespace

Result<KernelModule> ReadModule(const std::filesystem::path& path) {
  const std::string file_name = path.filename().string();
  if (!file_name.ends_with(".ko") && !file_name.ends_with(".ko.xz")) {
    return Malformed("'" + file_name + "' is named neither .ko nor .ko.xz");
  }
  KernelModule module;
  module.name = ModuleName(path);
  TRY(module.contents, ReadFile(path, kLargestModuleBytes));
  if (file_name.ends_with(".xz")) {
    TRY(module.contents, Decompress(module.contents));
  }
  TRY(const auto information, FindElfSection(module.contents, ".modinfo"));
  if (!information.has_value()) return Malformed("'" + file_name + "' says nothing of itself");
  module.depends = Split(Information(*information, "depends"), ',');
  for (std::string& name : module.depends) std::ranges::replace(name, '-', '_');
  const std::string made_for = Information(*information, "vermagic");
  module.kernel_version = made_for.substr(0, made_for.find(' '));
  return module;
}

Done CheckModules(const std::vector<KernelModule>& modules,
                  const std::optional<std::string>& kernel_version) {
  std::set<std::string> loaded;
  for (const KernelModule& module : modules) {
    for (const std::string& needed : module.depends) {
      if (loaded.contains(needed)) continue;
      return Error{Code::kInvalidArgument, "module_dependency_missing",
                   "the module " + module.name + " needs " + needed + " before it"};
    }
    if (kernel_version.has_value() && !module.kernel_version.empty() &&
        module.kernel_version != *kernel_version) {
      return Error{Code::kInvalidArgument, "module_kernel_mismatch",
                   "the module " + module.name + " is for the kernel " + module.kernel_version +
                       ", not for " + *kernel_version};
    }
    loaded.insert(module.name);
  }
  return {};
}

std::optional<std::string> KernelVersion(ByteSpan kernel) {
  constexpr size_t kMagicOffset = 0x202;
  constexpr size_t kVersionPointer = 0x20e;
  constexpr size_t kPointerBase = 0x200;
  constexpr size_t kLongestVersion = 128;
  constexpr std::string_view kMagic = "HdrS";
  if (kernel.size() < kVersionPointer + 2) return {};
  if (AsText(kernel.subspan(kMagicOffset, kMagic.size())) != kMagic) return {};
  const size_t start =
      kPointerBase + kernel[kVersionPointer] + (size_t{kernel[kVersionPointer + 1]} << 8);
  if (start >= kernel.size()) return {};
  const std::string_view text =
      AsText(kernel.subspan(start, std::min(kLongestVersion, kernel.size() - start)));
  const std::string_view version = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
  const bool is_printable =
      std::ranges::all_of(version, [](char one) { return one > ' ' && one < 0x7f; });
  if (version.empty() || version.size() == text.size() || !is_printable) return {};
  return std::string(version);
}

std::vector<std::string> MissingForNitro(std::string_view configuration,
                                         const std::vector<KernelModule>& modules) {
  std::set<std::string> set;
  for (const std::string& line : Split(configuration, '\n')) set.insert(line);
  std::vector<std::string> missing;
  for (const Requirement& requirement : kNitroNeeds) {
    const bool is_there = set.contains(std::string(requirement.option) + "=y") ||
                          std::ranges::any_of(modules, [&](const KernelModule& module) {
                            return !requirement.module.empty() && module.name == requirement.module;
                          });
    if (!is_there) missing.emplace_back(requirement.option);
  }
  return missing;
}

}  // namespace ephemeralml::image
