#pragma once
// Cuts a stream of plaintext into chunks and seals them. Format: docs/formats/weight_blob.md.

#include <functional>

#include "common/base/result.h"
#include "common/base/secret_bytes.h"
#include "common/crypto/blob_cipher.h"

namespace ephemeralml::decompose {

/// The least number of chunks in a blob: 1 MiB of them.
inline constexpr uint64_t kFewestChunks = 64;

/// The number of chunks that a blob for `plaintext_bytes` has: padded to a bucket, so that it says
/// little. Errors: kOverLimit `blob_too_large`.
Result<uint64_t> PaddedChunkCount(uint64_t plaintext_bytes);

/// Takes sealed bytes, in order.
using BlobSink = std::function<Done(ByteSpan)>;
/// Hears how many chunks of how many are sealed, now and then.
using ProgressFn = std::function<void(uint64_t done, uint64_t all)>;

/// Secrets: holds one chunk of plaintext at a time, wiped on destruction.
class BlobWriter {
 public:
  BlobWriter(const crypto::BlobCipher& cipher, BlobSink sink, ProgressFn progress);

  /// Errors of all: the sink's.
  Done Append(ByteSpan plaintext);
  /// Zeros up to `offset` in the plaintext stream.
  Done PadTo(uint64_t offset);
  /// Zeros up to the blob's end. A bug to call anything after it.
  Done Finish();

 private:
  Done SealChunk();
  Done Flush();

  const crypto::BlobCipher& cipher_;
  BlobSink sink_;
  ProgressFn progress_;
  SecretBytes chunk_;
  size_t filled_ = 0;
  uint64_t sealed_chunks_ = 0;
  Bytes sealed_;  // chunks that wait to be given away together
};

}  // namespace ephemeralml::decompose
