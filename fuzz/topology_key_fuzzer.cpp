// Reaches: keys::OpenTopologyKey, keys::DescribeTopologyKey, keys::ReadBlobKey,
// keys::ReplaceBlobKey

#include "client/keys/blob_key.h"
#include "client/keys/topology_key.h"
#include "common/base/file.h"
#include "common/wire/message_library.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  // Sealed with a key file: a passphrase's cost would be all that is measured.
  static const keys::Unlock unlock = [] {
    wire::SilenceMessageLibrary();
    const auto path = std::filesystem::temp_directory_path() / "fuzz.unlock";
    CHECK(WriteFileAtomically(path, Bytes(keys::kKeyFileBytes, 7), 0600).has_value());
    auto read = keys::Unlock::FromKeyFile(path);
    std::filesystem::remove(path);
    return *std::move(read);
  }();
  (void)keys::OpenTopologyKey({data, size}, unlock);
  (void)keys::OpenTopologyKey({data, size}, unlock, keys::SealedKind::kRotation);
  (void)keys::DescribeTopologyKey({data, size});
  // What a file holds that opens is its owner's, and may still be another version's.
  const SecretBytes content = SecretBytes::CopyOf({data, size});
  if (const auto blob = keys::ReadBlobKey(content)) {
    CHECK(keys::ReadBlobKey(keys::ReplaceBlobKey(content, *blob).value())->id == blob->id);
  }
  return 0;
}
