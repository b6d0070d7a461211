#include "enclave/weights/resident_weights.h"

#include <algorithm>

namespace ephemeralml::weights {

Result<ResidentWeights> ResidentWeights::Create(const SealedModel& model, Arena& arena) {
  if (!arena.locked()) {
    return Error{Code::kUnsupported, "memory_not_lockable",
                 "the enclave can't lock memory, so no weights may stay open in it"};
  }
  TRY(ArenaBlock block, arena.Allocate(model.cipher->chunk_count() * model.cipher->chunk_bytes()));
  return ResidentWeights(std::move(block));
}

Done ResidentWeights::Open(const SealedModel& model, uint64_t begin, uint64_t end, Ledger& ledger) {
  const size_t chunk_bytes = model.cipher->chunk_bytes();
  for (uint64_t chunk = begin; chunk < end; ++chunk) {
    TRY_OK(OpenChunks(model, chunk, block_.bytes().subspan(chunk * chunk_bytes, chunk_bytes),
                      ledger, Distance::kFar));
    ledger.Opened(chunk_bytes);
  }
  return {};
}

void ResidentWeights::CountSince(Clock::time_point request_start, Ledger& ledger) const {
  const Clock::time_point now = Clock::now();
  ledger.Aged(bytes().size(), now - std::max(request_start, opened_at_), now - opened_at_);
}

}  // namespace ephemeralml::weights
