#include "tests/differential/engine.h"

#include <algorithm>

#include "client/decompose/testing/split_model.h"
#include "common/crypto/blob_cipher.h"
#include "enclave/engine/execute.h"
#include "enclave/engine/prepare.h"

namespace ephemeralml::differential {
namespace {

constexpr size_t kArenaBytes = size_t{256} << 20;

Result<std::vector<NamedTensor>> Run(ByteSpan model, std::span<const NamedTensor> inputs,
                                     bool with_preparation) {
  TRY(const auto split, decompose::testing::Split(model, {.preparation = with_preparation}));
  TRY(const engine::PreparedModel prepared, engine::Prepare(split.topology));
  const wire::Blob& blob = split.topology.blob();
  wire::BlobId id;
  std::ranges::copy(AsBytes(blob.id()), id.begin());
  const auto secret = SecretBytes::CopyOf(AsBytes(blob.secret()));
  TRY(const auto cipher,
      crypto::BlobCipher::Create(secret, id, blob.chunk_count(), blob.chunk_bytes()));
  static engine::Threads threads(2);
  static const auto arena = Arena::Create(kArenaBytes).value();
  std::vector<engine::NamedView> views;
  for (const NamedTensor& input : inputs) {
    views.push_back({input.name, {input.type, input.shape, input.data}});
  }
  weights::Ledger ledger;
  TRY(const auto outputs,
      engine::Execute(prepared, views, {split.blob, cipher.get()}, *arena, threads, ledger));
  std::vector<NamedTensor> copies;
  for (const engine::NamedTensor& output : outputs) {
    const engine::TensorView view = output.tensor.View();
    copies.push_back(
        {output.name, view.type, view.shape, Bytes(view.bytes.begin(), view.bytes.end())});
  }
  return copies;
}

}  // namespace

Outcome RunOurs(ByteSpan model, std::span<const NamedTensor> inputs, bool with_preparation) {
  auto outputs = Run(model, inputs, with_preparation);
  if (outputs.has_value()) return {*std::move(outputs), "", ""};
  return {{}, std::string(outputs.error().reason), outputs.error().what};
}

}  // namespace ephemeralml::differential
