// Reaches: keys::OpenTopologyKey

#include "client/keys/topology_key.h"
#include "common/base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  // Sealed with a key file: a passphrase's cost would be all that is measured.
  static const keys::Unlock unlock = [] {
    const auto path = std::filesystem::temp_directory_path() / "fuzz.unlock";
    CHECK(WriteFileAtomically(path, Bytes(keys::kKeyFileBytes, 7), 0600).has_value());
    auto read = keys::Unlock::FromKeyFile(path);
    std::filesystem::remove(path);
    return *std::move(read);
  }();
  (void)keys::OpenTopologyKey({data, size}, unlock);
  return 0;
}
