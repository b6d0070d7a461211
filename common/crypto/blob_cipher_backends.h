#pragma once
// The two implementations behind BlobCipher::Create, and nobody else's business.

#include "common/crypto/blob_cipher.h"

namespace ephemeralml::crypto::internal {

/// Null if this processor lacks the instructions that make ipsec-mb the faster one.
std::unique_ptr<BlobCipher> MakeIpsecBlobCipher(const SecretBytes& key, const wire::BlobId& id,
                                                uint64_t chunk_count, uint32_t chunk_bytes);

std::unique_ptr<BlobCipher> MakeOpenSslBlobCipher(SecretBytes key, const wire::BlobId& id,
                                                  uint64_t chunk_count, uint32_t chunk_bytes);

/// The one error of Open, whatever the host did to the chunk.
Error WeightsUnauthentic();

}  // namespace ephemeralml::crypto::internal
