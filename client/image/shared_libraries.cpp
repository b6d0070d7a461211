#include "client/image/shared_libraries.h"

#include <deque>
#include <set>

#include "common/base/file.h"

namespace ephemeralml::image {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestLibraryBytes = size_t{1} << 30;

std::string HomeFolder(Machine machine) {
  return machine == Machine::kX86_64 ? "/lib/x86_64-linux-gnu" : "/lib/aarch64-linux-gnu";
}

Error NotPlain(const std::string& what) {
  return {Code::kUnsupported, "library_path_unsupported",
          what + ": libraries must be found where the dynamic linker looks by itself"};
}

Result<fs::path> Find(const std::string& name, const std::vector<fs::path>& folders) {
  if (name.find('/') != std::string::npos) return NotPlain("a library is named by a path, " + name);
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return Error{Code::kNotFound, "library_not_found",
               "the shared library " + name + " is in none of the folders that were named"};
}

}  // namespace

std::vector<fs::path> LibraryFolders(Machine machine) {
  return {HomeFolder(machine), "/usr" + HomeFolder(machine)};
}

Result<std::vector<PlacedFile>> FindLibraries(const ElfFile& program,
                                              const std::vector<fs::path>& folders) {
  std::vector<PlacedFile> files;
  if (program.interpreter.empty()) return files;
  if (program.names_folders) return NotPlain("the program names folders of libraries");
  const fs::path linker = program.interpreter;
  TRY(Bytes linker_contents, ReadFile(linker, kLargestLibraryBytes));
  files.push_back({program.interpreter, linker, std::move(linker_contents)});
  std::set<std::string> known = {linker.filename().string()};
  std::deque<std::string> wanted(program.needed.begin(), program.needed.end());
  for (; !wanted.empty(); wanted.pop_front()) {
    const std::string& name = wanted.front();
    if (!known.insert(name).second) continue;
    TRY(const fs::path source, Find(name, folders));
    TRY(Bytes contents, ReadFile(source, kLargestLibraryBytes));
    TRY(const ElfFile library, ReadElf(contents));
    if (library.names_folders) return NotPlain(name + " names folders of libraries");
    wanted.insert(wanted.end(), library.needed.begin(), library.needed.end());
    files.push_back({HomeFolder(program.machine) + "/" + name, source, std::move(contents)});
  }
  return files;
}

}  // namespace ephemeralml::image
