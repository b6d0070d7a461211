#pragma once
// Looks for secrets where none may be: in a process's whole memory, and in files.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace ephemeralml::properties {

/// Something recognisable: sixteen bytes or more, and what it was planted as.
struct Canary {
  std::string planted_as;
  std::string bytes;
};

struct Sighting {
  std::string planted_as;
  std::string place;
};

struct Search {
  std::vector<Sighting> sightings;
  uint64_t searched_bytes = 0;
};

/// At every offset. What straddles two calls isn't seen.
void SearchBytes(std::string_view bytes, const std::vector<Canary>& canaries,
                 const std::string& place, Search& search);
/// Every readable mapping. A bug if the process's memory can't be opened.
Search SearchMemory(pid_t pid, const std::vector<Canary>& canaries);
/// Names and contents of all files below a folder, also as hexadecimal digits.
Search SearchFolder(const std::filesystem::path& folder, const std::vector<Canary>& canaries);

/// All sightings, a line each.
std::string Describe(const Search& search);

}  // namespace ephemeralml::properties
