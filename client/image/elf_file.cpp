#include "client/image/elf_file.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace ephemeralml::image {
namespace {

constexpr size_t kLongestName = 4096;

Error Malformed(const std::string& what) {
  return {Code::kMalformed, "elf_malformed", "an ELF file: " + what};
}

Result<ByteSpan> Slice(ByteSpan file, uint64_t offset, uint64_t size) {
  if (offset > file.size() || size > file.size() - offset) {
    return Malformed("something lies outside of the file");
  }
  return file.subspan(offset, size);
}

template <class Record>
Result<Record> ReadRecord(ByteSpan file, uint64_t offset) {
  TRY(const ByteSpan bytes, Slice(file, offset, sizeof(Record)));
  Record record;
  std::memcpy(&record, bytes.data(), sizeof record);
  return record;
}

template <class Record>
Result<std::vector<Record>> ReadTable(ByteSpan file, uint64_t offset, uint64_t count) {
  if (count > file.size() / sizeof(Record)) return Malformed("a table is longer than the file");
  TRY(const ByteSpan bytes, Slice(file, offset, count * sizeof(Record)));
  std::vector<Record> records(count);
  if (count != 0) std::memcpy(records.data(), bytes.data(), bytes.size());
  return records;
}

Result<std::string> ReadName(ByteSpan strings, uint64_t offset) {
  if (offset >= strings.size()) return Malformed("a name lies outside of its table");
  const ByteSpan rest = strings.subspan(offset, std::min(strings.size() - offset, kLongestName));
  const auto end = std::ranges::find(rest, 0);
  if (end == rest.end()) return Malformed("a name doesn't end");
  return std::string(rest.begin(), end);
}

Result<Elf64_Ehdr> ReadHeader(ByteSpan file) {
  TRY(const Elf64_Ehdr header, ReadRecord<Elf64_Ehdr>(file, 0));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return Malformed("it isn't one of 64 bits, little-endian");
  }
  return header;
}

// An address of the running program, as a place in the file.
Result<uint64_t> OffsetOf(const std::vector<Elf64_Phdr>& segments, uint64_t address) {
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz) {
      return segment.p_offset + (address - segment.p_vaddr);
    }
  }
  return Malformed("an address lies in no segment");
}

Done ReadDynamic(ByteSpan file, const std::vector<Elf64_Phdr>& segments, const Elf64_Phdr& dynamic,
                 ElfFile& elf) {
  TRY(const auto entries,
      ReadTable<Elf64_Dyn>(file, dynamic.p_offset, dynamic.p_filesz / sizeof(Elf64_Dyn)));
  uint64_t strings_address = 0;
  uint64_t strings_size = 0;
  for (const Elf64_Dyn& entry : entries) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_STRTAB) strings_address = entry.d_un.d_ptr;
    if (entry.d_tag == DT_STRSZ) strings_size = entry.d_un.d_val;
    elf.names_folders |= entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH;
  }
  if (strings_size == 0) return {};
  TRY(const uint64_t strings_offset, OffsetOf(segments, strings_address));
  TRY(const ByteSpan strings, Slice(file, strings_offset, strings_size));
  for (const Elf64_Dyn& entry : entries) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag != DT_NEEDED) continue;
    TRY(std::string name, ReadName(strings, entry.d_un.d_val));
    elf.needed.push_back(std::move(name));
  }
  return {};
}

}  // namespace

Result<ElfFile> ReadElf(ByteSpan file) {
  TRY(const Elf64_Ehdr header, ReadHeader(file));
  if (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64) {
    return Error{Code::kUnsupported, "elf_machine_unsupported",
                 "a program for a machine of number " + std::to_string(header.e_machine)};
  }
  ElfFile elf;
  elf.machine = header.e_machine == EM_X86_64 ? Machine::kX86_64 : Machine::kArm64;
  if (header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr)) {
    return Malformed("segments of another size");
  }
  TRY(const auto segments, ReadTable<Elf64_Phdr>(file, header.e_phoff, header.e_phnum));
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_INTERP) {
      TRY(const ByteSpan name, Slice(file, segment.p_offset, segment.p_filesz));
      TRY(elf.interpreter, ReadName(name, 0));
    }
    if (segment.p_type == PT_DYNAMIC) TRY_OK(ReadDynamic(file, segments, segment, elf));
  }
  return elf;
}

Result<std::optional<ByteSpan>> FindElfSection(ByteSpan file, std::string_view name) {
  TRY(const Elf64_Ehdr header, ReadHeader(file));
  if (header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) {
    return Malformed("sections of another size");
  }
  TRY(const auto sections, ReadTable<Elf64_Shdr>(file, header.e_shoff, header.e_shnum));
  if (sections.empty()) return std::optional<ByteSpan>();
  if (header.e_shstrndx >= sections.size()) return Malformed("no names of sections");
  const Elf64_Shdr& names = sections[header.e_shstrndx];
  TRY(const ByteSpan strings, Slice(file, names.sh_offset, names.sh_size));
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type == SHT_NULL || section.sh_type == SHT_NOBITS) continue;
    TRY(const std::string found, ReadName(strings, section.sh_name));
    if (found != name) continue;
    TRY(const ByteSpan contents, Slice(file, section.sh_offset, section.sh_size));
    return std::optional<ByteSpan>(contents);
  }
  return std::optional<ByteSpan>();
}

}  // namespace ephemeralml::image
