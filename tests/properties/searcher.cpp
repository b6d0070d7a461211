#include "tests/properties/searcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "common/base/file.h"

namespace ephemeralml::properties {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr size_t kOverlapBytes = 256;  // longer than any canary

// Pieces overlap, so that nothing hides on a border. Pages that can't be read, such as the kernel's
// own clock pages, end the mapping.
void SearchMapping(int memory, uint64_t begin, uint64_t end, const std::vector<Canary>& canaries,
                   const std::string& place, Search& search) {
  std::string piece(kPieceBytes + kOverlapBytes, '\0');
  for (uint64_t at = begin; at < end; at += kPieceBytes) {
    const size_t wanted = std::min<uint64_t>(piece.size(), end - at);
    const ssize_t count = pread(memory, piece.data(), wanted, static_cast<off_t>(at));
    if (count <= 0) return;
    SearchBytes(std::string_view(piece).substr(0, static_cast<size_t>(count)), canaries, place,
                search);
  }
}

}  // namespace

void SearchBytes(std::string_view bytes, const std::vector<Canary>& canaries,
                 const std::string& place, Search& search) {
  search.searched_bytes += bytes.size();
  for (const Canary& canary : canaries) {
    CHECK(canary.bytes.size() >= 16 && canary.bytes.size() <= kOverlapBytes);
    if (memmem(bytes.data(), bytes.size(), canary.bytes.data(), canary.bytes.size()) != nullptr) {
      search.sightings.push_back({canary.planted_as, place});
    }
  }
}

Search SearchMemory(pid_t pid, const std::vector<Canary>& canaries) {
  const fs::path folder = "/proc/" + std::to_string(pid);
  const UniqueFd memory(open((folder / "mem").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(memory.IsOpen());
  Search search;
  std::ifstream maps(folder / "maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0;
    uint64_t end = 0;
    char dash = 0;
    std::string rights;
    std::istringstream(line) >> std::hex >> begin >> dash >> end >> rights;
    if (rights.starts_with("r")) {
      SearchMapping(memory.Get(), begin, end, canaries, "memory: " + line, search);
    }
  }
  return search;
}

Search SearchFolder(const fs::path& folder, const std::vector<Canary>& canaries) {
  std::vector<Canary> forms = canaries;
  for (const Canary& canary : canaries) {
    forms.push_back({canary.planted_as + ", as digits", ToHex(AsBytes(canary.bytes))});
  }
  Search search;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    SearchBytes(entry.path().string(), forms, "name of " + entry.path().string(), search);
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    SearchBytes(content, forms, entry.path().string(), search);
  }
  return search;
}

std::string Describe(const Search& search) {
  std::string text;
  for (const Sighting& sighting : search.sightings) {
    text += sighting.planted_as + " in " + sighting.place + "\n";
  }
  return text;
}

}  // namespace ephemeralml::properties
