#include "enclave/weights/panel_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ephemeralml::weights {

PanelReader::PanelReader(const SealedModel& model, Ledger& ledger, MutableByteSpan window,
                         uint64_t begin, uint64_t end, wire::ElementType storage, Distance distance)
    : model_(&model),
      ledger_(&ledger),
      window_(window),
      next_chunk_(begin / model.cipher->chunk_bytes()),
      next_byte_(begin),
      end_(end),
      storage_(storage),
      distance_(distance),
      skip_(begin % model.cipher->chunk_bytes()) {}

PanelReader::PanelReader(PanelReader&& other) noexcept
    : model_(other.model_),
      ledger_(other.ledger_),
      window_(other.window_),
      next_chunk_(other.next_chunk_),
      next_byte_(other.next_byte_),
      end_(other.end_),
      storage_(other.storage_),
      distance_(other.distance_),
      skip_(other.skip_),
      piece_(std::exchange(other.piece_, 0)),
      filled_(std::exchange(other.filled_, 0)),
      stale_(std::exchange(other.stale_, 0)),
      dropped_(std::exchange(other.dropped_, 0)),
      expanded_(std::exchange(other.expanded_, 0)),
      halves_taken_(other.halves_taken_),
      expanded_at_(other.expanded_at_),
      opened_at_(other.opened_at_),
      dropped_opened_at_(other.dropped_opened_at_),
      filled_at_(other.filled_at_) {}

PanelReader::~PanelReader() {
  if (IsHalf(storage_)) {
    Wipe(window_.first(expanded_));
    if (filled_ > 0) Wipe(window_.last(filled_));
    ShrinkExpanded(0);
  } else {
    Wipe(window_.first(stale_));
  }
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
  if (IsHalf(storage_)) return NextExpanded(bytes);
  if (!model_->resident.empty()) return NextResident(bytes);
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
  if (skip_ > 0) {
    TRY_OK(OpenMore(1));
    piece_ = std::exchange(skip_, 0);
    DropPiece();
  }
  return filled_ < bytes ? OpenMore(bytes - filled_) : Done();
}

// Counted together: threads that count share a cache line, which takes as long to come as some
// hundred bytes to open.
Done PanelReader::OpenMore(size_t bytes) {
  const size_t chunk_bytes = model_->cipher->chunk_bytes();
  const size_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
  const size_t opened = chunks * chunk_bytes;
  CHECK((next_chunk_ + chunks - 1) * chunk_bytes < end_);
  const size_t replaced = std::min(dropped_, opened);
  ledger_->Held(opened - replaced);
  stale_ = std::max(stale_, filled_ + opened);
  Done done =
      OpenChunks(*model_, next_chunk_, window_.subspan(filled_, opened), *ledger_, distance_);
  if (!done) {
    ledger_->LetGo(opened - replaced);
    return done;
  }
  ledger_->OpenedOver(opened, replaced, Clock::now() - dropped_opened_at_);
  dropped_ -= replaced;
  next_chunk_ += chunks;
  filled_ += opened;
  return {};
}

ByteSpan PanelReader::NextResident(uint64_t bytes) {
  CHECK(bytes <= end_ - next_byte_);
  const ByteSpan piece = model_->resident.subspan(next_byte_, bytes);
  next_byte_ += bytes;
  return piece;
}

// The window's last chunk holds what is sealed, the rest what is made of it. The last piece is
// written over by the next, as chunks are; it counts as open until then.
Result<ByteSpan> PanelReader::NextExpanded(uint64_t bytes) {
  const Clock::time_point made_at = Clock::now();
  const size_t last = expanded_;
  if (bytes > last) {
    CHECK(bytes + model_->cipher->chunk_bytes() <= window_.size());
    ledger_->Held(bytes - last);
    expanded_ = bytes;
  }
  for (size_t made = 0; made < bytes;) {
    TRY(const ByteSpan halves, MoreHalves((bytes - made) / 2));
    ExpandHalves(storage_, halves, window_.subspan(made));
    made += 2 * halves.size();
  }
  if (bytes < last) Wipe(window_.subspan(bytes, last - bytes));
  if (last > 0) ShrinkExpanded(bytes);
  expanded_at_ = made_at;
  return window_.first(bytes);
}

// What is expanded from now on was `bytes` long at most.
void PanelReader::ShrinkExpanded(size_t bytes) {
  if (expanded_ == 0) return;
  const auto age = Clock::now() - expanded_at_;
  ledger_->Aged(expanded_, age, age);
  if (bytes >= expanded_) return;
  ledger_->LetGo(expanded_ - bytes);
  expanded_ = bytes;
}

Result<ByteSpan> PanelReader::MoreHalves(uint64_t most) {
  if (!model_->resident.empty()) return NextResident(most);
  const size_t chunk_bytes = model_->cipher->chunk_bytes();
  const MutableByteSpan chunk = window_.last(chunk_bytes);
  if (halves_taken_ == filled_) {
    CHECK(next_chunk_ * chunk_bytes < end_);
    TRY_OK(OpenChunks(*model_, next_chunk_, chunk, *ledger_, distance_));
    ++next_chunk_;
    if (filled_ > 0) ledger_->Wiped(filled_, Clock::now() - opened_at_);
    ledger_->Opened(chunk_bytes);
    opened_at_ = Clock::now();
    filled_ = chunk_bytes;
    halves_taken_ = std::exchange(skip_, 0);
  }
  const size_t count = std::min<size_t>(most, filled_ - halves_taken_);
  halves_taken_ += count;
  return ByteSpan(chunk).subspan(halves_taken_ - count, count);
}

ByteSpan PanelReader::Upcoming() const {
  if (!model_->resident.empty()) return model_->resident.subspan(next_byte_, end_ - next_byte_);
  return SealedBytesOf(*model_, next_chunk_ * model_->cipher->chunk_bytes(), end_);
}

DerivedWeights::DerivedWeights(ArenaBlock block, Ledger& ledger)
    : block_(std::move(block)), ledger_(&ledger), made_at_(Clock::now()) {
  ledger_->Held(block_.bytes().size());
}

DerivedWeights::DerivedWeights(DerivedWeights&& other) noexcept
    : block_(std::move(other.block_)),
      ledger_(std::exchange(other.ledger_, nullptr)),
      made_at_(other.made_at_) {}

DerivedWeights::~DerivedWeights() {
  if (ledger_ == nullptr) return;
  const size_t bytes = block_.bytes().size();
  block_ = ArenaBlock();  // wipes
  const auto age = Clock::now() - made_at_;
  ledger_->Aged(bytes, age, age);
  ledger_->LetGo(bytes);
}

MutableByteSpan DerivedWeights::Renew() {
  const Clock::time_point now = Clock::now();
  const auto age = now - made_at_;
  ledger_->Aged(block_.bytes().size(), age, age);
  made_at_ = now;
  return block_.bytes();
}

PackedWeight::PackedWeight(const SealedModel& model, const WeightInfo& weight, Ledger& ledger)
    : model_(&model), weight_(&weight), ledger_(&ledger) {
  CHECK(IsPacked(weight.layout));
}

uint64_t PackedWeight::WindowBytes(uint64_t largest_piece) const {
  return largest_piece + 2 * model_->cipher->chunk_bytes();
}

PanelReader PackedWeight::Read(uint64_t first_panel, uint64_t last_panel, MutableByteSpan window,
                               Distance distance) const {
  CHECK(first_panel <= last_panel && last_panel <= shape().panel_count());
  const uint64_t element_bytes = wire::ElementBytes(weight_->storage);
  return PanelReader(
      *model_, *ledger_, window, weight_->offset + shape().OffsetOf(first_panel) * element_bytes,
      weight_->offset + shape().OffsetOf(last_panel) * element_bytes, weight_->storage, distance);
}

void PackedWeight::FetchSealed() const {
  const ByteSpan sealed = Read(0, shape().panel_count(), {}).Upcoming();
  for (size_t at = 0; at < sealed.size(); at += 64) __builtin_prefetch(sealed.data() + at, 0, 2);
}

Result<DerivedWeights> PackedWeight::Derive(Arena& arena, size_t bytes) const {
  TRY(ArenaBlock block, arena.AllocateToOverwrite(bytes));
  return DerivedWeights(std::move(block), *ledger_);
}

}  // namespace ephemeralml::weights
