#include "client/image/build.h"

#include <algorithm>

#include "client/image/file_archive.h"
#include "client/image/kernel.h"
#include "client/image/measure.h"
#include "client/image/metadata.h"
#include "client/image/shared_libraries.h"
#include "client/image/signature.h"
#include "common/base/file.h"

namespace ephemeralml::image {
namespace {

constexpr size_t kLargestFileBytes = size_t{1} << 30;
constexpr size_t kLargestTextBytes = size_t{16} << 20;
constexpr std::string_view kProgramPath = "/bin/ephemeralml-enclave";

Result<Bytes> ReadText(const std::filesystem::path& path) {
  return ReadFile(path, kLargestTextBytes);
}

Done AddLines(FileArchive& archive, std::string_view path, const std::vector<std::string>& lines) {
  Bytes text;
  for (const std::string& line : lines) {
    if (line.empty() || line.find_first_of(std::string_view("\n\0", 2)) != std::string::npos) {
      return Error{Code::kInvalidArgument, "image_argument_invalid",
                   "an argument is empty or holds the end of a line"};
    }
    AppendBytes(text, AsBytes(line + "\n"));
  }
  return archive.AddFile(path, std::move(text), false);
}

Result<Bytes> PackBootRamdisk(const BuildRequest& request,
                              const std::vector<KernelModule>& modules) {
  FileArchive archive;
  TRY(Bytes init, ReadFile(request.init, kLargestFileBytes));
  TRY(const ElfFile elf, ReadElf(init));
  if (!elf.interpreter.empty()) {
    return Error{Code::kInvalidArgument, "image_init_not_static",
                 "the init needs a dynamic linker, which the first ramdisk doesn't hold"};
  }
  TRY_OK(archive.AddConsole());
  for (const std::string_view folder : {"/proc", "/sys"}) TRY_OK(archive.AddFolder(folder));
  TRY_OK(archive.AddFile("/init", std::move(init), true));
  std::vector<std::string> paths;
  for (const KernelModule& module : modules) {
    paths.push_back("/modules/" + module.name + ".ko");
    TRY_OK(archive.AddFile(paths.back(), module.contents, false));
  }
  TRY_OK(AddLines(archive, "/boot/modules", paths));
  return archive.Pack();
}

Result<Bytes> PackProgramRamdisk(const BuildRequest& request, Bytes program,
                                 std::vector<PlacedFile> libraries) {
  FileArchive archive;
  TRY_OK(archive.AddFile(kProgramPath, std::move(program), true));
  for (PlacedFile& library : libraries) {
    TRY_OK(archive.AddFile(library.path, std::move(library.contents), true));
  }
  std::vector<std::string> command = {std::string(kProgramPath)};
  command.insert(command.end(), request.arguments.begin(), request.arguments.end());
  TRY_OK(AddLines(archive, "/boot/command", command));
  return archive.Pack();
}

Result<std::vector<KernelModule>> ReadModules(const BuildRequest& request,
                                              const std::optional<std::string>& kernel_version) {
  std::vector<KernelModule> modules;
  for (const std::filesystem::path& path : request.modules) {
    TRY(KernelModule module, ReadModule(path));
    modules.push_back(std::move(module));
  }
  TRY_OK(CheckModules(modules, kernel_version));
  return modules;
}

Result<std::string> WriteMetadata(const BuildRequest& request,
                                  const std::optional<std::string>& kernel_version) {
  Metadata metadata;
  metadata.name = request.name;
  metadata.version = request.version;
  metadata.kernel_version = kernel_version.value_or("unknown");
  if (request.packages.has_value()) {
    TRY(const Bytes text, ReadText(*request.packages));
    TRY(metadata.packages, ParsePackages(AsText(text)));
  }
  return ToJson(metadata);
}

}  // namespace

Result<BuiltImage> Build(const BuildRequest& request) {
  TRY(const Bytes kernel, ReadFile(request.kernel, kLargestFileBytes));
  const std::optional<std::string> kernel_version = KernelVersion(kernel);
  TRY(const auto modules, ReadModules(request, kernel_version));
  TRY(Bytes program, ReadFile(request.program, kLargestFileBytes));
  TRY(const ElfFile elf, ReadElf(program));
  TRY(auto libraries,
      FindLibraries(elf, request.library_folders.empty() ? LibraryFolders(elf.machine)
                                                         : request.library_folders));
  BuiltImage built;
  for (const PlacedFile& library : libraries) {
    built.libraries.emplace_back(library.path, library.source.string());
  }
  if (request.kernel_configuration.has_value()) {
    TRY(const Bytes configuration, ReadText(*request.kernel_configuration));
    built.missing_for_nitro = MissingForNitro(AsText(configuration), modules);
  }
  TRY(const Bytes boot, PackBootRamdisk(request, modules));
  TRY(const Bytes application,
      PackProgramRamdisk(request, std::move(program), std::move(libraries)));
  TRY(const std::string metadata, WriteMetadata(request, kernel_version));
  const std::string line = request.command_line + " " + std::string(kWipingOptions);
  EnclaveImage image;
  image.is_arm64 = elf.machine == Machine::kArm64;
  image.sections = {{SectionType::kKernel, kernel},
                    {SectionType::kCommandLine, AsBytes(line)},
                    {SectionType::kMetadata, AsBytes(metadata)},
                    {SectionType::kRamdisk, boot},
                    {SectionType::kRamdisk, application}};
  Bytes signature;
  if (request.signing.has_value()) {
    TRY(const Bytes certificate, ReadText(request.signing->certificate));
    TRY(const SecretBytes key, ReadSecretFile(request.signing->key, kLargestTextBytes));
    TRY(signature, Sign(MeasureContents(image).at(0), certificate, key));
    image.sections.push_back({SectionType::kSignature, signature});
  }
  built.file = WriteImage(image);
  return built;
}

}  // namespace ephemeralml::image
