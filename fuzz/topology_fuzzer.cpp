// Reaches: wire::Request, engine::Prepare, engine::Execute, every kernel, decompose::Inspect

#include <array>
#include <new>
#include <random>
#include <stdexcept>

#include "client/decompose/inspect.h"
#include "common/crypto/blob_cipher.h"
#include "common/wire/message_library.h"
#include "common/wire/session.pb.h"
#include "enclave/engine/execute.h"
#include "enclave/engine/prepare.h"
#include "fuzz/mutate_request.h"

namespace {

using namespace ephemeralml;

constexpr size_t kArenaBytes = 16 << 20;
constexpr uint64_t kChunks = 32;
constexpr uint64_t kMostSteps = 300;

// One blob for all inputs, sealed with a secret of zeros: floats, small integers and ones.
struct Blob {
  std::unique_ptr<crypto::BlobCipher> cipher =
      crypto::BlobCipher::Create(SecretBytes(32), {}, kChunks, wire::kChunkBytes).value();
  Bytes sealed = Bytes(kChunks * cipher->sealed_chunk_bytes());

  Blob() {
    wire::SilenceMessageLibrary();
    for (uint64_t i = 0; i < kChunks; ++i) {
      cipher->Seal(wire::ChunkIndex(i), Plaintext(i),
                   MutableByteSpan(sealed).subspan(i * cipher->sealed_chunk_bytes(),
                                                   cipher->sealed_chunk_bytes()));
    }
  }

  static Bytes Plaintext(uint64_t chunk) {
    if (chunk % 3 == 0) return Bytes(wire::kChunkBytes, 0x3c);
    Bytes bytes(wire::kChunkBytes, chunk % 3 == 1 ? 0 : 1);
    for (size_t i = 0; i < bytes.size() && chunk % 3 == 1; i += sizeof(int64_t)) {
      bytes[i] = static_cast<uint8_t>(i / sizeof(int64_t) % 5);
    }
    return bytes;
  }
};

engine::TensorView ViewOf(const wire::Tensor& tensor) {
  return {static_cast<wire::ElementType>(tensor.type()),
          {tensor.dims().begin(), tensor.dims().end()},
          AsBytes(tensor.data())};
}

engine::NamedView InputOf(const wire::Tensor& tensor) {
  engine::NamedView input{tensor.name(), ViewOf(tensor)};
  if (tensor.kind() == wire::NOTHING) input.kind = engine::ValueKind::kNothing;
  if (tensor.kind() == wire::SEQUENCE) input.kind = engine::ValueKind::kSequence;
  for (const wire::Tensor& element : tensor.elements()) input.elements.push_back(ViewOf(element));
  return input;
}

void Execute(const engine::PreparedModel& model, const wire::Request& request) {
  static const Blob blob;
  static engine::Threads threads(1);
  static const auto arena = Arena::Create(kArenaBytes).value();
  std::vector<engine::NamedView> inputs;
  for (const wire::Tensor& tensor : request.inputs()) inputs.push_back(InputOf(tensor));
  weights::Ledger ledger;
  try {
    (void)engine::Execute(model, inputs, {blob.sealed, blob.cipher.get()}, *arena, threads, ledger,
                          {.most_steps = kMostSteps});
  } catch (const std::bad_alloc&) {  // as the worker does
  } catch (const std::length_error&) {
  }
  CHECK(arena->bytes_in_use() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  wire::Request request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  // Chunks beyond those that there are, are the business of whoever maps a blob.
  request.mutable_topology()->mutable_blob()->set_chunk_count(kChunks);
  request.mutable_topology()->mutable_blob()->set_chunk_bytes(wire::kChunkBytes);
  (void)decompose::Inspect(SecretBytes::CopyOf(AsBytes(request.topology().SerializeAsString())));
  if (const auto model = engine::Prepare(request.topology())) Execute(*model, request);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  wire::Request request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) request.Clear();
  std::mt19937 random(seed);
  Bytes choices(512);
  for (uint8_t& byte : choices) byte = static_cast<uint8_t>(random());
  fuzz::ByteSource source(choices);
  for (size_t changes = 1 + source.Below(3); changes > 0; --changes) {
    fuzz::MutateRequest(source, request);
  }
  const std::string serialized = request.SerializeAsString();
  if (serialized.size() > most) return size;
  std::copy(serialized.begin(), serialized.end(), data);
  return serialized.size();
}
