#include "enclave/weights/row_reader.h"

#include <algorithm>

#include "common/base/secret_bytes.h"

namespace ephemeralml::weights {
namespace {

using Clock = std::chrono::steady_clock;

// No more than the second cache holds beside what is being opened.
constexpr size_t kMostFetched = 64 * 1024;
constexpr size_t kLineBytes = 64;

void FetchLines(ByteSpan bytes) {
  const size_t end = std::min(bytes.size(), kMostFetched);
  for (size_t i = 0; i < end; i += kLineBytes) __builtin_prefetch(&bytes[i], 0, 2);
}

}  // namespace

RowReader::RowReader(const SealedModel& model, const WeightInfo& weight, Ledger& ledger,
                     MutableByteSpan window)
    : model_(model),
      weight_(weight),
      ledger_(ledger),
      window_(window.first(model.cipher->chunk_bytes())),
      row_bytes_(weight.byte_count / weight.extent()) {
  CHECK(weight.layout == PanelLayout::kRows);
}

RowReader::~RowReader() {
  if (is_stale_) Wipe(window_);
  Close();
}

void RowReader::Close() {
  if (!opened_) return;
  ledger_.Wiped(window_.size(), Clock::now() - opened_at_);
  opened_.reset();
}

ByteSpan RowReader::SealedChunk(uint64_t chunk) const {
  return SealedBytesOf(model_, chunk * window_.size(), (chunk + 1) * window_.size());
}

void RowReader::FetchWhole(uint64_t chunk) {
  FetchLines(SealedChunk(chunk));
  fetched_ = chunk;
}

// The first chunk beyond `chunk` that a row lies in, if any.
std::optional<uint64_t> RowReader::ChunkAfter(uint64_t chunk, uint64_t row) const {
  const uint64_t begin = weight_.offset + row * row_bytes_;
  const uint64_t after = std::max(ChunkAt(begin), chunk + 1);
  return after <= ChunkAt(begin + row_bytes_ - 1) ? std::optional(after) : std::nullopt;
}

// Rows that are asked for lie anywhere, and memory is slower than opening: one chunk is on its way
// while another is opened.
Done RowReader::Open(uint64_t chunk, std::optional<uint64_t> upcoming) {
  if (fetched_ != chunk) FetchWhole(chunk);
  is_stale_ = true;
  const size_t replaced = opened_ ? window_.size() : 0;
  ledger_.Held(window_.size() - replaced);
  const Done done = OpenChunks(model_, chunk, window_, ledger_, Distance::kNear,
                               upcoming ? SealedChunk(*upcoming) : ByteSpan());
  fetched_ = upcoming;
  const Clock::time_point now = Clock::now();
  if (!done) {
    opened_.reset();
    ledger_.Wiped(replaced, now - opened_at_);
    ledger_.LetGo(window_.size() - replaced);
    return done;
  }
  ledger_.OpenedOver(window_.size(), replaced, now - opened_at_);
  opened_ = chunk;
  opened_at_ = now;
  return {};
}

Done RowReader::Copy(uint64_t row, std::optional<uint64_t> next, MutableByteSpan to) {
  CHECK(row < weight_.extent() && to.size() == row_bytes_);
  uint64_t at = weight_.offset + row * row_bytes_;
  if (!model_.resident.empty()) {
    if (next) FetchLines(model_.resident.subspan(weight_.offset + *next * row_bytes_, row_bytes_));
    CopyBytes(model_.resident.subspan(at, row_bytes_), to);
    return {};
  }
  while (!to.empty()) {
    const uint64_t chunk = ChunkAt(at);
    const uint64_t skip = at % window_.size();
    const size_t count = std::min<size_t>(to.size(), window_.size() - skip);
    std::optional<uint64_t> upcoming;
    if (count < to.size()) {
      upcoming = chunk + 1;
    } else if (next) {
      upcoming = ChunkAfter(chunk, *next);
    }
    if (opened_ != chunk) {
      TRY_OK(Open(chunk, upcoming));
    } else if (upcoming && fetched_ != upcoming) {
      FetchWhole(*upcoming);
    }
    CopyBytes(window_.subspan(skip, count), to);
    to = to.subspan(count);
    at += count;
  }
  return {};
}

}  // namespace ephemeralml::weights
