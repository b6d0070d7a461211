#include "enclave/weights/panel_stream.h"

#include <algorithm>
#include <utility>

#include "enclave/weights/row_reader.h"

namespace ephemeralml::weights {
namespace {

void RaiseTo(std::atomic<uint64_t>& most, uint64_t value) {
  uint64_t seen = most.load(std::memory_order_relaxed);
  while (seen < value && !most.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

Done OpenChunks(const SealedModel& model, uint64_t first, MutableByteSpan plaintext, Ledger& ledger,
                Distance distance, ByteSpan upcoming) {
  const uint64_t chunk_bytes = model.cipher->chunk_bytes();
  const uint64_t sealed_bytes = model.cipher->sealed_chunk_bytes();
  const uint64_t count = plaintext.size() / chunk_bytes;
  CHECK(count > 0 && plaintext.size() % chunk_bytes == 0);
  uint64_t opened = 0;
  const auto open = [&]() -> Done {
    for (; opened < count; ++opened) {
      const uint64_t chunk = first + opened;
      // Fewer chunks than the topology speaks of: the host kept some back.
      if ((chunk + 1) * sealed_bytes > model.sealed_chunks.size()) {
        return Error{Code::kUnauthentic, "weights_unauthentic",
                     "the weights can't be authenticated"};
      }
      const ByteSpan sealed = model.sealed_chunks.subspan(chunk * sealed_bytes);
      ByteSpan fetched = opened + 1 == count ? upcoming : ByteSpan();
      if (distance == Distance::kFar) {
        fetched = sealed.subspan(std::min(crypto::BlobCipher::kFetchedAhead, sealed.size()));
      }
      TRY_OK(model.cipher->Open(wire::ChunkIndex(chunk), sealed.first(sealed_bytes),
                                plaintext.subspan(opened * chunk_bytes, chunk_bytes), fetched));
    }
    return {};
  };
  const Done done = open();
  ledger.ChunksOpened(opened);
  if (!done) Wipe(plaintext);
  return done;
}

ByteSpan SealedBytesOf(const SealedModel& model, uint64_t begin, uint64_t end) {
  const uint64_t chunk_bytes = model.cipher->chunk_bytes();
  const uint64_t sealed_bytes = model.cipher->sealed_chunk_bytes();
  const uint64_t chunks = (end + chunk_bytes - 1) / chunk_bytes;
  const uint64_t first =
      std::min<uint64_t>(begin / chunk_bytes * sealed_bytes, model.sealed_chunks.size());
  const uint64_t last =
      std::clamp<uint64_t>(chunks * sealed_bytes, first, model.sealed_chunks.size());
  return model.sealed_chunks.subspan(first, last - first);
}

void Ledger::Opened(size_t bytes) {
  Held(bytes);
  bytes_opened_.fetch_add(bytes, std::memory_order_relaxed);
}

void Ledger::OpenedOver(size_t bytes, size_t replaced, std::chrono::nanoseconds open_for) {
  bytes_opened_.fetch_add(bytes, std::memory_order_relaxed);
  if (replaced == 0) return;
  Aged(replaced, open_for, open_for);
  bytes_wiped_.fetch_add(replaced, std::memory_order_relaxed);
}

void Ledger::Wiped(size_t bytes, std::chrono::nanoseconds open_for) {
  if (bytes == 0) return;
  LetGo(bytes);
  Aged(bytes, open_for, open_for);
  bytes_wiped_.fetch_add(bytes, std::memory_order_relaxed);
}

void Ledger::Held(size_t bytes) {
  if (bytes == 0) return;
  RaiseTo(peak_bytes_, open_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
}

void Ledger::LetGo(size_t bytes) {
  if (bytes == 0) return;
  open_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

void Ledger::Aged(size_t bytes, std::chrono::nanoseconds open_for, std::chrono::nanoseconds age) {
  if (bytes == 0) return;
  RaiseTo(longest_ns_, static_cast<uint64_t>(age.count()));
  byte_ns_.fetch_add(bytes * static_cast<uint64_t>(open_for.count()), std::memory_order_relaxed);
}

Ledger::Totals Ledger::Read() const {
  return {.peak_plaintext_bytes = peak_bytes_.load(std::memory_order_relaxed),
          .longest_plaintext_ns = longest_ns_.load(std::memory_order_relaxed),
          .plaintext_byte_ns = byte_ns_.load(std::memory_order_relaxed),
          .bytes_opened = bytes_opened_.load(std::memory_order_relaxed),
          .bytes_wiped = bytes_wiped_.load(std::memory_order_relaxed),
          .chunks_opened = chunks_opened_.load(std::memory_order_relaxed)};
}

uint64_t WeightInfo::extent() const {
  if (layout == PanelLayout::kColumns) return static_cast<uint64_t>(shape.at(1));
  return shape.empty() ? 1 : static_cast<uint64_t>(shape[0]);
}

OpenPanel::OpenPanel(ArenaBlock block, int64_t begin, int64_t end, Ledger* ledger)
    : block_(std::move(block)),
      begin_(begin),
      end_(end),
      ledger_(ledger),
      opened_at_(std::chrono::steady_clock::now()) {
  ledger_->Opened(block_.bytes().size());
}

OpenPanel::OpenPanel(OpenPanel&& other) noexcept
    : block_(std::move(other.block_)),
      resident_(other.resident_),
      begin_(other.begin_),
      end_(other.end_),
      ledger_(std::exchange(other.ledger_, nullptr)),
      opened_at_(other.opened_at_) {}

OpenPanel::~OpenPanel() {
  if (ledger_ == nullptr) return;
  const size_t bytes = block_.bytes().size();
  block_ = ArenaBlock();  // wipes
  ledger_->Wiped(bytes, std::chrono::steady_clock::now() - opened_at_);
}

PanelStream::PanelStream(const SealedModel& model, const WeightInfo& weight, Arena& arena,
                         Ledger& ledger)
    : model_(&model), weight_(&weight), arena_(&arena), ledger_(&ledger) {
  CHECK(!IsPacked(weight.layout) && weight.panel_extent > 0 && weight.extent() > 0);
}

size_t PanelStream::panel_count() const {
  return (weight_->extent() - 1) / weight_->panel_extent + 1;
}

Result<OpenPanel> PanelStream::Open(size_t index) const {
  CHECK(index < panel_count());
  const uint64_t begin = index * weight_->panel_extent;
  const uint64_t end = begin + std::min(weight_->panel_extent, weight_->extent() - begin);
  const uint64_t unit_bytes = weight_->byte_count / weight_->extent();
  return OpenRange(weight_->offset + begin * unit_bytes, (end - begin) * unit_bytes,
                   static_cast<int64_t>(begin), static_cast<int64_t>(end));
}

Result<OpenPanel> PanelStream::OpenRows(int64_t begin, int64_t end) const {
  CHECK(weight_->layout == PanelLayout::kRows);
  CHECK(0 <= begin && begin <= end && static_cast<uint64_t>(end) <= weight_->extent());
  const uint64_t row_bytes = weight_->byte_count / weight_->extent();
  return OpenRange(weight_->offset + static_cast<uint64_t>(begin) * row_bytes,
                   static_cast<uint64_t>(end - begin) * row_bytes, begin, end);
}

RowReader PanelStream::ReadRows(MutableByteSpan window) const {
  return {*model_, *weight_, *ledger_, window};
}

Result<OpenPanel> PanelStream::OpenWhole() const {
  return OpenRange(weight_->offset, weight_->byte_count, 0,
                   static_cast<int64_t>(weight_->extent()));
}

Result<OpenPanel> PanelStream::OpenRowMajor() const {
  if (weight_->layout == PanelLayout::kRows || panel_count() == 1) return OpenWhole();
  TRY(OpenPanel whole, NewPanel(weight_->byte_count, 0, static_cast<int64_t>(weight_->extent())));
  const size_t width = wire::ElementBytes(weight_->type);
  const auto rows = static_cast<size_t>(weight_->shape[0]);
  const size_t row_bytes = weight_->extent() * width;
  for (size_t i = 0; i < panel_count(); ++i) {
    TRY(const OpenPanel panel, Open(i));
    const size_t piece = static_cast<size_t>(panel.end() - panel.begin()) * width;
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = row * row_bytes + static_cast<size_t>(panel.begin()) * width;
      std::copy_n(panel.bytes().subspan(row * piece, piece).data(), piece,
                  whole.Fill().subspan(at, piece).data());
    }
  }
  return whole;
}

Result<OpenPanel> PanelStream::NewPanel(uint64_t bytes, int64_t begin, int64_t end) const {
  TRY(ArenaBlock block, arena_->AllocateToOverwrite(bytes));
  return OpenPanel(std::move(block), begin, end, ledger_);
}

// Chunks that lie wholly inside the range are opened in place. Of those at its edges the range
// wants a part: they are opened beside it, and wiped when that part is copied.
Result<OpenPanel> PanelStream::OpenRange(uint64_t offset, uint64_t bytes, int64_t begin,
                                         int64_t end) const {
  if (!model_->resident.empty()) {
    return OpenPanel(model_->resident.subspan(offset, bytes), begin, end);
  }
  TRY(OpenPanel panel, NewPanel(bytes, begin, end));
  const uint64_t chunk_bytes = model_->cipher->chunk_bytes();
  for (uint64_t at = offset; at < offset + bytes;) {
    const uint64_t chunk = at / chunk_bytes;
    const uint64_t skip = at % chunk_bytes;
    const uint64_t wanted = std::min(chunk_bytes - skip, offset + bytes - at);
    const MutableByteSpan target = panel.Fill().subspan(at - offset, wanted);
    if (wanted == chunk_bytes) {
      TRY_OK(OpenChunks(*model_, chunk, target, *ledger_, Distance::kFar));
    } else {
      TRY(OpenPanel edge, NewPanel(chunk_bytes, 0, 0));
      TRY_OK(OpenChunks(*model_, chunk, edge.Fill(), *ledger_, Distance::kFar));
      std::copy_n(edge.bytes().subspan(skip, wanted).data(), wanted, target.data());
    }
    at += wanted;
  }
  return panel;
}

std::optional<uint64_t> PanelStream::OnlyChunkOf(const SealedModel& model,
                                                 const WeightInfo& weight) {
  if (!model.resident.empty() || weight.byte_count == 0) return std::nullopt;
  const uint64_t chunk_bytes = model.cipher->chunk_bytes();
  const uint64_t chunk = weight.offset / chunk_bytes;
  const bool is_only = (weight.offset + weight.byte_count - 1) / chunk_bytes == chunk;
  return is_only ? std::optional(chunk) : std::nullopt;
}

Result<std::vector<OpenPanel>> PanelStream::OpenTogether(const SealedModel& model,
                                                         std::span<const WeightInfo* const> weights,
                                                         Arena& arena, Ledger& ledger) {
  const size_t chunk_bytes = model.cipher->chunk_bytes();
  const std::optional<uint64_t> chunk = OnlyChunkOf(model, *weights.front());
  TRY(ArenaBlock block, arena.AllocateToOverwrite(chunk_bytes));
  OpenPanel whole(std::move(block), 0, 0, &ledger);
  TRY_OK(OpenChunks(model, chunk.value(), whole.Fill(), ledger, Distance::kFar));
  std::vector<OpenPanel> panels;
  panels.reserve(weights.size());
  for (const WeightInfo* weight : weights) {
    CHECK(OnlyChunkOf(model, *weight) == chunk);
    const PanelStream stream(model, *weight, arena, ledger);
    TRY(OpenPanel panel,
        stream.NewPanel(weight->byte_count, 0, static_cast<int64_t>(weight->extent())));
    CopyBytes(whole.bytes().subspan(weight->offset % chunk_bytes, weight->byte_count),
              panel.Fill());
    panels.push_back(std::move(panel));
  }
  return panels;
}

Done PanelStream::Authenticate(const SealedModel& model, uint64_t begin, uint64_t end, Arena& arena,
                               Ledger& ledger) {
  for (uint64_t chunk = begin; chunk < end; ++chunk) {
    TRY(ArenaBlock block, arena.AllocateToOverwrite(model.cipher->chunk_bytes()));
    OpenPanel panel(std::move(block), 0, 0, &ledger);
    TRY_OK(OpenChunks(model, chunk, panel.Fill(), ledger, Distance::kFar));
  }
  return {};
}

}  // namespace ephemeralml::weights
