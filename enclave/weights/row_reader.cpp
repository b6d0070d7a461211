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

Done RowReader::Open(uint64_t chunk) {
  if (opened_ == chunk) return {};
  is_stale_ = true;
  const Done done = OpenChunk(model_, chunk, window_, ledger_, crypto::Distance::kNear);
  Close();  // what was there is written over only now
  TRY_OK(done);
  ledger_.Opened(window_.size());
  opened_ = chunk;
  opened_at_ = Clock::now();
  return {};
}

// Rows that are asked for lie anywhere, and memory is slower than opening.
void RowReader::Fetch(uint64_t row, uint64_t next) const {
  const uint64_t begin = weight_.offset + next * row_bytes_;
  const uint64_t last_of_row = ChunkAt(weight_.offset + (row + 1) * row_bytes_ - 1);
  const uint64_t first = std::max(begin, (last_of_row + 1) * model_.cipher->chunk_bytes());
  if (next <= row || first >= begin + row_bytes_) return;
  FetchLines(SealedBytesOf(model_, first, begin + row_bytes_));
}

Done RowReader::Copy(uint64_t row, std::optional<uint64_t> next, MutableByteSpan to) {
  CHECK(row < weight_.extent() && to.size() == row_bytes_);
  uint64_t at = weight_.offset + row * row_bytes_;
  if (!model_.resident.empty()) {
    if (next) FetchLines(model_.resident.subspan(weight_.offset + *next * row_bytes_, row_bytes_));
    std::ranges::copy(model_.resident.subspan(at, row_bytes_), to.begin());
    return {};
  }
  if (next) Fetch(row, *next);
  while (!to.empty()) {
    TRY_OK(Open(ChunkAt(at)));
    const uint64_t skip = at % window_.size();
    const size_t count = std::min<size_t>(to.size(), window_.size() - skip);
    std::ranges::copy(window_.subspan(skip, count), to.begin());
    to = to.subspan(count);
    at += count;
  }
  return {};
}

}  // namespace ephemeralml::weights
