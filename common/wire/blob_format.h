#pragma once
// Constants of the weight blob: N sealed chunks of one size and nothing else. Described in
// docs/formats/weight_blob.md. The host needs none of this: to it a blob is a run of bytes.

#include <cstdint>

#include "common/base/strong.h"

namespace ephemeralml::wire {

inline constexpr uint8_t kBlobFormatVersion = 1;
inline constexpr uint32_t kChunkBytes = 16 * 1024;  ///< of plaintext, in blobs that we write
inline constexpr uint32_t kSmallestChunkBytes = 16 * 1024;
inline constexpr uint32_t kLargestChunkBytes = 64 * 1024;
inline constexpr uint32_t kTagBytes = 16;
inline constexpr uint64_t kMostChunks = uint64_t{1} << 32;  ///< the nonce's low half counts chunks
inline constexpr uint32_t kWeightAlignment = 64;  ///< of every weight's offset in the stream

struct BlobId : FixedBytes<struct BlobIdTag, 16> {};
using ChunkIndex = Strong<struct ChunkIndexTag, uint64_t>;

}  // namespace ephemeralml::wire
