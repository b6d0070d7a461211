#include "enclave/weights/panel_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ephemeralml::weights {

PanelReader::PanelReader(const SealedModel& model, Ledger& ledger, MutableByteSpan window,
                         uint64_t begin, uint64_t end)
    : model_(&model),
      ledger_(&ledger),
      window_(window),
      next_chunk_(begin / model.cipher->chunk_bytes()),
      end_(end),
      skip_(begin % model.cipher->chunk_bytes()) {}

PanelReader::PanelReader(PanelReader&& other) noexcept
    : model_(other.model_),
      ledger_(other.ledger_),
      window_(other.window_),
      next_chunk_(other.next_chunk_),
      end_(other.end_),
      skip_(other.skip_),
      piece_(std::exchange(other.piece_, 0)),
      filled_(std::exchange(other.filled_, 0)),
      stale_(std::exchange(other.stale_, 0)),
      dropped_(std::exchange(other.dropped_, 0)),
      opened_at_(other.opened_at_),
      dropped_opened_at_(other.dropped_opened_at_),
      filled_at_(other.filled_at_) {}

PanelReader::~PanelReader() {
  Wipe(window_.first(stale_));
  CountWiped(dropped_);
  ledger_->Wiped(filled_, Clock::now() - opened_at_);
}

void PanelReader::CountWiped(size_t bytes) {
  if (bytes == 0) return;
  ledger_->Wiped(bytes, Clock::now() - dropped_opened_at_);
  dropped_ -= bytes;
}

// What was opened beyond the piece moves to the window's front. The rest of the piece stays
// readable until the next one is opened over it: that costs nothing, and there is never more than
// one piece.
void PanelReader::DropPiece() {
  if (piece_ == 0) return;
  uint8_t* front = window_.data();
  const size_t rest = filled_ - piece_;
  if (rest > 0) std::memmove(front, front + piece_, rest);
  if (dropped_ == 0) dropped_opened_at_ = opened_at_;
  dropped_ += piece_;
  filled_ = rest;
  piece_ = 0;
}

Result<ByteSpan> PanelReader::Next(uint64_t bytes) {
  DropPiece();
  TRY_OK(OpenUntil(bytes));
  if (filled_ < stale_) Wipe(window_.subspan(filled_, stale_ - filled_));
  stale_ = filled_;
  CountWiped(dropped_);
  piece_ = bytes;
  return window_.first(bytes);
}

Done PanelReader::OpenUntil(uint64_t bytes) {
  if (filled_ >= bytes) return {};
  const Clock::time_point now = Clock::now();
  // A rest is of the newest chunk.
  opened_at_ = filled_ == 0 ? now : filled_at_;
  filled_at_ = now;
  const size_t chunk_bytes = model_->cipher->chunk_bytes();
  while (filled_ < bytes) {
    CHECK(next_chunk_ * chunk_bytes < end_);
    const MutableByteSpan target = window_.subspan(filled_, chunk_bytes);
    stale_ = std::max(stale_, filled_ + chunk_bytes);
    TRY_OK(OpenChunk(*model_, next_chunk_, target, *ledger_));
    CountWiped(std::min(dropped_, chunk_bytes));
    ledger_->Opened(chunk_bytes);
    ++next_chunk_;
    filled_ += chunk_bytes;
    if (skip_ == 0) continue;
    piece_ = std::exchange(skip_, 0);
    DropPiece();
  }
  return {};
}

ByteSpan PanelReader::Upcoming() const {
  const uint64_t sealed_bytes = model_->cipher->sealed_chunk_bytes();
  const uint64_t chunks =
      (end_ + model_->cipher->chunk_bytes() - 1) / model_->cipher->chunk_bytes();
  const uint64_t begin =
      std::min<uint64_t>(next_chunk_ * sealed_bytes, model_->sealed_chunks.size());
  const uint64_t end =
      std::clamp<uint64_t>(chunks * sealed_bytes, begin, model_->sealed_chunks.size());
  return model_->sealed_chunks.subspan(begin, end - begin);
}

PackedWeight::PackedWeight(const SealedModel& model, const WeightInfo& weight, Ledger& ledger)
    : model_(&model), weight_(&weight), ledger_(&ledger) {
  CHECK(IsPacked(weight.layout));
}

uint64_t PackedWeight::WindowBytes(uint64_t largest_piece) const {
  return largest_piece + 2 * model_->cipher->chunk_bytes();
}

PanelReader PackedWeight::Read(uint64_t first_panel, uint64_t last_panel,
                               MutableByteSpan window) const {
  CHECK(first_panel <= last_panel && last_panel <= shape().panel_count());
  const uint64_t element_bytes = wire::ElementBytes(weight_->type);
  return PanelReader(*model_, *ledger_, window,
                     weight_->offset + shape().OffsetOf(first_panel) * element_bytes,
                     weight_->offset + shape().OffsetOf(last_panel) * element_bytes);
}

}  // namespace ephemeralml::weights
