#include "client/decompose/blob_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/wire/frame.h"

namespace ephemeralml::decompose {
namespace {
constexpr size_t kChunksAtATime = 64;
}

Result<uint64_t> PaddedChunkCount(uint64_t plaintext_bytes) {
  const uint64_t chunks =
      plaintext_bytes / wire::kChunkBytes + (plaintext_bytes % wire::kChunkBytes != 0 ? 1 : 0);
  if (chunks <= kFewestChunks) return kFewestChunks;
  const uint64_t padded = chunks > wire::kMostChunks ? chunks : wire::Padme(chunks);
  if (padded > wire::kMostChunks) {
    return Error{Code::kOverLimit, "blob_too_large", "the model's weights exceed a blob's 64 TiB"};
  }
  return padded;
}

BlobWriter::BlobWriter(const crypto::BlobCipher& cipher, BlobSink sink, ProgressFn progress)
    : cipher_(cipher),
      sink_(std::move(sink)),
      progress_(std::move(progress)),
      chunk_(cipher.chunk_bytes()) {
  sealed_.reserve(kChunksAtATime * cipher.sealed_chunk_bytes());
}

Done BlobWriter::Append(ByteSpan plaintext) {
  while (!plaintext.empty()) {
    const size_t count = std::min(plaintext.size(), chunk_.size() - filled_);
    std::memcpy(chunk_.Fill().data() + filled_, plaintext.data(), count);
    filled_ += count;
    plaintext = plaintext.subspan(count);
    if (filled_ == chunk_.size()) {
      TRY_OK(SealChunk());
    }
  }
  return {};
}

Done BlobWriter::PadTo(uint64_t offset) {
  static constexpr std::array<uint8_t, wire::kWeightAlignment> kZeros = {};
  const uint64_t at = sealed_chunks_ * cipher_.chunk_bytes() + filled_;
  CHECK(offset >= at && offset - at < kZeros.size());
  return Append(ByteSpan(kZeros).first(offset - at));
}

// What the last chunk of weights doesn't fill, and the chunks after it, are zeros.
Done BlobWriter::Finish() {
  while (sealed_chunks_ < cipher_.chunk_count()) {
    TRY_OK(SealChunk());
  }
  CHECK(filled_ == 0);
  return Flush();
}

Done BlobWriter::SealChunk() {
  const size_t at = sealed_.size();
  sealed_.resize(at + cipher_.sealed_chunk_bytes());
  cipher_.Seal(wire::ChunkIndex(sealed_chunks_), chunk_.Reveal(),
               MutableByteSpan(sealed_).subspan(at));
  Wipe(chunk_.Fill());
  filled_ = 0;
  ++sealed_chunks_;
  if (sealed_.size() < kChunksAtATime * cipher_.sealed_chunk_bytes()) return {};
  return Flush();
}

Done BlobWriter::Flush() {
  if (sealed_.empty()) return {};
  TRY_OK(sink_(sealed_));
  sealed_.clear();
  if (progress_) progress_(sealed_chunks_, cipher_.chunk_count());
  return {};
}

}  // namespace ephemeralml::decompose
