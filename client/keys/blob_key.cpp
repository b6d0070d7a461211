#include "client/keys/blob_key.h"

#include <algorithm>
#include <climits>
#include <string>

#include "common/wire/topology.pb.h"
#include "common/wire/wiped_secret.h"

namespace ephemeralml::keys {
namespace {

Error Malformed() {
  return {Code::kMalformed, "topology_malformed", "this is not the content of a topology key"};
}

Done Parse(const SecretBytes& message, wire::Topology& topology) {
  const ByteSpan bytes = message.Reveal();
  if (bytes.size() > INT_MAX ||
      !topology.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      topology.blob().id().size() != wire::BlobId::kSize) {
    return Malformed();
  }
  return {};
}

}  // namespace

Result<BlobKey> ReadBlobKey(const SecretBytes& topology_message) {
  wire::Topology topology;
  const wire::WipedSecret wiped(topology);
  TRY_OK(Parse(topology_message, topology));
  const wire::Blob& blob = topology.blob();
  BlobKey key;
  std::ranges::copy(AsBytes(blob.id()), key.id.begin());
  key.secret = SecretBytes::CopyOf(AsBytes(blob.secret()));
  key.chunk_count = blob.chunk_count();
  key.chunk_bytes = blob.chunk_bytes();
  return key;
}

Result<SecretBytes> ReplaceBlobKey(const SecretBytes& topology_message, const BlobKey& blob) {
  wire::Topology topology;
  const wire::WipedSecret wiped(topology);
  {
    // Another scope, since the old secret may be the longer one.
    const wire::WipedSecret old(topology);
    TRY_OK(Parse(topology_message, topology));
  }
  wire::Blob& message = *topology.mutable_blob();
  message.set_id(std::string(AsText(blob.id)));
  message.set_secret(std::string(AsText(blob.secret.Reveal())));
  message.set_chunk_count(blob.chunk_count);
  message.set_chunk_bytes(blob.chunk_bytes);
  SecretBytes replaced(topology.ByteSizeLong());
  CHECK(topology.SerializeToArray(replaced.Fill().data(), static_cast<int>(replaced.size())));
  return replaced;
}

}  // namespace ephemeralml::keys
