#include "client/keys/seal_again.h"

#include <unistd.h>

#include <cerrno>

#include "common/base/file.h"

namespace ephemeralml::keys {
namespace {

Error Incomplete() {
  return {Code::kUnauthentic, "blob_incomplete",
          "the old blob hasn't the length that its topology key says"};
}

// Fills `out`; false at the end of the file.
Result<bool> ReadChunk(int fd, MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t count = read(fd, out.data(), out.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoError("file_unreadable", "can't read the unfinished blob");
    if (count == 0) return false;
    out = out.subspan(static_cast<size_t>(count));
  }
  return true;
}

Done FillFrom(const BlobSource& source, MutableByteSpan out) {
  while (!out.empty()) {
    TRY(const size_t count, source(out));
    if (count == 0) return Incomplete();
    out = out.subspan(count);
  }
  return {};
}

}  // namespace

Result<uint64_t> CountSealedChunks(int fd, const crypto::BlobCipher& cipher) {
  if (lseek(fd, 0, SEEK_SET) != 0) {
    return ErrnoError("file_unreadable", "can't read the unfinished blob");
  }
  Bytes sealed(cipher.sealed_chunk_bytes());
  SecretBytes plaintext(cipher.chunk_bytes());
  for (uint64_t i = 0; i < cipher.chunk_count(); ++i) {
    TRY(const bool is_whole, ReadChunk(fd, sealed));
    if (!is_whole || !cipher.Open(wire::ChunkIndex(i), sealed, plaintext.Fill())) return i;
  }
  return cipher.chunk_count();
}

// A write for each chunk: an interruption then costs one at most, and the next begins at a chunk.
Done SealAgain(const crypto::BlobCipher& from, const crypto::BlobCipher& to, uint64_t first,
               const BlobSource& source, int fd, const RotationProgressFn& progress) {
  CHECK(from.chunk_count() == to.chunk_count() && from.chunk_bytes() == to.chunk_bytes());
  Bytes sealed(from.sealed_chunk_bytes());
  SecretBytes plaintext(from.chunk_bytes());
  const uint64_t all_bytes = from.chunk_count() * sealed.size();
  for (uint64_t i = first; i < from.chunk_count(); ++i) {
    TRY_OK(FillFrom(source, sealed));
    TRY_OK(from.Open(wire::ChunkIndex(i), sealed, plaintext.Fill()));
    to.Seal(wire::ChunkIndex(i), plaintext.Fill(), sealed);
    TRY_OK(WriteAll(fd, sealed));
    if (progress) progress((i + 1) * sealed.size(), all_bytes);
  }
  uint8_t excess = 0;
  TRY(const size_t count, source(MutableByteSpan(&excess, 1)));
  if (count != 0) return Incomplete();
  return {};
}

}  // namespace ephemeralml::keys
