// Reaches: wire::Request, engine::Prepare, engine::Execute, decompose::Inspect

#include <array>

#include "client/decompose/inspect.h"
#include "common/crypto/blob_cipher.h"
#include "common/wire/message_library.h"
#include "common/wire/session.pb.h"
#include "enclave/engine/execute.h"
#include "enclave/engine/prepare.h"

namespace {

using namespace ephemeralml;

constexpr size_t kArenaBytes = 64 << 20;
constexpr uint64_t kChunks = 4;

// One blob for all inputs, sealed with a secret of zeros.
struct Blob {
  std::unique_ptr<crypto::BlobCipher> cipher =
      crypto::BlobCipher::Create(SecretBytes(32), {}, kChunks, wire::kChunkBytes).value();
  Bytes sealed = Bytes(kChunks * cipher->sealed_chunk_bytes());

  Blob() {
    wire::SilenceMessageLibrary();
    const Bytes plaintext(wire::kChunkBytes, 0x3c);
    for (uint64_t i = 0; i < kChunks; ++i) {
      cipher->Seal(wire::ChunkIndex(i), plaintext,
                   MutableByteSpan(sealed).subspan(i * cipher->sealed_chunk_bytes(),
                                                   cipher->sealed_chunk_bytes()));
    }
  }
};

void Execute(const engine::PreparedModel& model, const wire::Request& request) {
  static const Blob blob;
  static engine::Threads threads(1);
  const auto arena = Arena::Create(kArenaBytes).value();
  std::vector<engine::NamedView> inputs;
  for (const wire::Tensor& tensor : request.inputs()) {
    inputs.push_back({tensor.name(),
                      {static_cast<wire::ElementType>(tensor.type()),
                       {tensor.dims().begin(), tensor.dims().end()},
                       AsBytes(tensor.data())}});
  }
  weights::Ledger ledger;
  (void)engine::Execute(model, inputs, {blob.sealed, blob.cipher.get()}, *arena, threads, ledger,
                        {.most_steps = 1000});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  wire::Request request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  (void)decompose::Inspect(SecretBytes::CopyOf(AsBytes(request.topology().SerializeAsString())));
  if (const auto model = engine::Prepare(request.topology())) Execute(*model, request);
  return 0;
}
