#pragma once
// Kernels and their modules: what can be told of them before they are booted.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::image {

/// A module as it is packed: never compressed, so that any kernel loads it.
struct KernelModule {
  std::string name;
  Bytes contents;
  std::vector<std::string> depends;  ///< names of modules that must be there before it
  std::string kernel_version;        ///< the one that it was made for; empty if it doesn't say
};

/// Reads `NAME.ko` or `NAME.ko.xz`. Errors: kMalformed `module_malformed`, `elf_malformed`; as
/// ReadFile.
Result<KernelModule> ReadModule(const std::filesystem::path& path);

/// Each module comes after those that it depends on, and is for this kernel (if its version is
/// known). Errors: kInvalidArgument `module_dependency_missing`, `module_kernel_mismatch`.
Done CheckModules(const std::vector<KernelModule>& modules,
                  const std::optional<std::string>& kernel_version);

/// The version that a bzImage says it has, as in 6.12.95-cloud-amd64. Absent: it isn't one.
/// Source: Linux, Documentation/arch/x86/boot.rst, "kernel_version".
std::optional<std::string> KernelVersion(ByteSpan kernel);

/// What a kernel lacks that the hypervisor of a real Nitro enclave needs, judged by its
/// configuration
/// (`.config`) and the modules that go with it. Empty: nothing.
std::vector<std::string> MissingForNitro(std::string_view configuration,
                                         const std::vector<KernelModule>& modules);

}  // namespace ephemeralml::image
