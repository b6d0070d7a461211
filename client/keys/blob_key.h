#pragma once
// The part of an opened topology key that says where the weights are and what opens them.

#include "common/base/secret_bytes.h"
#include "common/wire/blob_format.h"

namespace ephemeralml::keys {

struct BlobKey {
  wire::BlobId id = {};
  SecretBytes secret;
  uint64_t chunk_count = 0;
  uint32_t chunk_bytes = 0;  ///< of plaintext
};

/// Of a serialized wire::Topology. Errors: kMalformed `topology_malformed`.
Result<BlobKey> ReadBlobKey(const SecretBytes& topology_message);

/// The same topology with another blob. Errors: kMalformed `topology_malformed`.
Result<SecretBytes> ReplaceBlobKey(const SecretBytes& topology_message, const BlobKey& blob);

}  // namespace ephemeralml::keys
