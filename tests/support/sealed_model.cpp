#include "tests/support/sealed_model.h"

#include <fstream>

#include "client/keys/blob_key.h"
#include "client/keys/topology_key.h"
#include "common/base/file.h"
#include "common/crypto/blob_cipher.h"
#include "common/crypto/random.h"
#include "common/wire/topology.pb.h"

namespace ephemeralml::testing_support {
namespace {

// Words that tell a chunk from every other.
Bytes PatternOf(uint64_t chunk, size_t size) {
  Bytes pattern;
  pattern.reserve(size);
  for (uint64_t i = 0; pattern.size() < size; ++i) AppendU64BigEndian(pattern, chunk << 32 | i);
  return pattern;
}

}  // namespace

SealedModel MakeSealedModel(const std::filesystem::path& folder, uint64_t chunks,
                            const keys::Unlock& unlock) {
  keys::BlobKey blob{
      .secret = crypto::RandomSecret(32), .chunk_count = chunks, .chunk_bytes = wire::kChunkBytes};
  crypto::FillRandom(blob.id);
  wire::Topology topology;
  topology.set_format_version(1);
  topology.mutable_blob()->set_id(std::string(wire::BlobId::kSize, 0));
  const std::string message = topology.SerializeAsString();
  SealedModel model{.key = folder / "topology.key",
                    .blob = folder / (ToHex(blob.id) + ".blob"),
                    .blob_id = ToHex(blob.id)};
  std::filesystem::create_directories(folder);
  CHECK(keys::Save(model.key,
                   keys::ReplaceBlobKey(SecretBytes::CopyOf(AsBytes(message)), blob).value(),
                   unlock)
            .has_value());
  const auto cipher =
      crypto::BlobCipher::Create(blob.secret, blob.id, chunks, blob.chunk_bytes).value();
  Bytes sealed(cipher->sealed_chunk_bytes());
  std::ofstream file(model.blob, std::ios::binary);
  for (uint64_t i = 0; i < chunks; ++i) {
    cipher->Seal(wire::ChunkIndex(i), PatternOf(i, blob.chunk_bytes), sealed);
    file << AsText(sealed);
  }
  file.close();
  CHECK(file.good());
  return model;
}

bool HoldsThePatterns(const std::filesystem::path& key, const std::filesystem::path& blob,
                      const keys::Unlock& unlock) {
  const auto topology = keys::Load(key, unlock);
  if (!topology) return false;
  const keys::BlobKey opened = keys::ReadBlobKey(*topology).value();
  const auto cipher =
      crypto::BlobCipher::Create(opened.secret, opened.id, opened.chunk_count, opened.chunk_bytes)
          .value();
  Bytes sealed(cipher->sealed_chunk_bytes());
  Bytes plaintext(opened.chunk_bytes);
  std::ifstream file(blob, std::ios::binary);
  for (uint64_t i = 0; i < opened.chunk_count; ++i) {
    file.read(reinterpret_cast<char*>(sealed.data()), static_cast<std::streamsize>(sealed.size()));
    if (!file || !cipher->Open(wire::ChunkIndex(i), sealed, plaintext) ||
        plaintext != PatternOf(i, opened.chunk_bytes)) {
      return false;
    }
  }
  return file.peek() == std::ifstream::traits_type::eof();
}

}  // namespace ephemeralml::testing_support
