#include "client/image/elf_file.h"

#include <elf.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "client/image/shared_libraries.h"
#include "common/base/file.h"

namespace ephemeralml::image {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::StartsWith;

Bytes OwnProgram() { return ReadFile("/proc/self/exe", size_t{1} << 30).value(); }

std::string_view ReasonOf(ByteSpan file) {
  const auto elf = ReadElf(file);
  return elf.has_value() ? "" : elf.error().reason;
}

TEST(ElfFile, NamesTheLinkerAndTheLibrariesOfThisProgram) {
  const ElfFile elf = ReadElf(OwnProgram()).value();
  EXPECT_THAT(elf.interpreter, StartsWith("/lib"));
  EXPECT_THAT(elf.needed, Contains("libc.so.6"));
  EXPECT_THAT(elf.needed, Contains(StartsWith("libcrypto.so.")));
  EXPECT_FALSE(elf.names_folders);
}

TEST(ElfFile, FindsSectionsByName) {
  const Bytes file = OwnProgram();
  EXPECT_TRUE(FindElfSection(file, ".text").value().has_value());
  EXPECT_FALSE(FindElfSection(file, ".nothing").value().has_value());
}

TEST(ElfFile, IsReadWithinItsBoundsHoweverItIsCut) {
  const Bytes file = OwnProgram();
  for (size_t length = 0; length < 4096; ++length) {
    const Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(length));
    (void)FindElfSection(cut, ".modinfo");
    if (length < sizeof(Elf64_Ehdr)) {
      EXPECT_EQ(ReasonOf(cut), "elf_malformed");
    }
  }
  for (size_t length = 4096; length < file.size(); length += file.size() / 100) {
    const Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_FALSE(FindElfSection(cut, ".text").has_value()) << length;
  }
}

TEST(ElfFile, IsReadWithinItsBoundsWithAnyBitOfItsHeadersFlipped) {
  Bytes file = OwnProgram();
  for (size_t bit = 0; bit < size_t{8} * 1024; ++bit) {
    const uint8_t mask = static_cast<uint8_t>(1U << bit % 8);
    file[bit / 8] ^= mask;
    (void)ReadElf(file);
    (void)FindElfSection(file, ".modinfo");
    file[bit / 8] ^= mask;
  }
}

TEST(ElfFile, ForAnotherMachineIsUnsupported) {
  Bytes file = OwnProgram();
  file[offsetof(Elf64_Ehdr, e_machine)] = EM_RISCV;
  EXPECT_EQ(ReasonOf(file), "elf_machine_unsupported");
}

TEST(SharedLibraries, AreFoundWithWhatTheyNeedThemselves) {
  const ElfFile elf = ReadElf(OwnProgram()).value();
  const auto files = FindLibraries(elf, LibraryFolders(elf.machine)).value();
  std::vector<std::string> names;
  for (const PlacedFile& file : files) {
    names.push_back(std::filesystem::path(file.path).filename().string());
    EXPECT_FALSE(file.contents.empty()) << file.path;
  }
  EXPECT_EQ(files.front().path, elf.interpreter);
  EXPECT_THAT(names, testing::IsSupersetOf(elf.needed));
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

TEST(SharedLibraries, ThatAreMissingOrPlacedByPathAreRefused) {
  ElfFile elf = ReadElf(OwnProgram()).value();
  EXPECT_EQ(FindLibraries(elf, {"/nowhere"}).error().reason, "library_not_found");
  elf.needed = {"./libc.so.6"};
  EXPECT_EQ(FindLibraries(elf, LibraryFolders(elf.machine)).error().reason,
            "library_path_unsupported");
  elf.needed = {};
  elf.names_folders = true;
  EXPECT_EQ(FindLibraries(elf, LibraryFolders(elf.machine)).error().reason,
            "library_path_unsupported");
  elf.interpreter.clear();
  EXPECT_THAT(FindLibraries(elf, {}).value(), IsEmpty());
}

}  // namespace
}  // namespace ephemeralml::image
