#pragma once
// Opening and wiping weights: the only code in the system that turns sealed chunks into plaintext,
// and the only code that counts it. A panel is open while its OpenPanel lives.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/base/arena.h"
#include "common/base/result.h"
#include "common/crypto/blob_cipher.h"
#include "common/wire/data_type.h"
#include "common/wire/packed_layout.h"

namespace ephemeralml::weights {

/// What was open, for how long, in one request. Threads: any may update.
class Ledger {
 public:
  void Opened(size_t bytes);
  /// Opened over `replaced` bytes of plaintext, which had been open for `open_for`. What there is
  /// more of by it was Held() before.
  void OpenedOver(size_t bytes, size_t replaced, std::chrono::nanoseconds open_for);
  void Wiped(size_t bytes, std::chrono::nanoseconds open_for);
  /// Plaintext that this request didn't open: weights that were open before it, or a second form of
  /// open ones. Counts as open, not as opened.
  void Held(size_t bytes);
  /// Held plaintext that is gone.
  void LetGo(size_t bytes);
  /// Plaintext of an age of which this request saw `open_for`; gone or not.
  void Aged(size_t bytes, std::chrono::nanoseconds open_for, std::chrono::nanoseconds age);
  void ChunksOpened(uint64_t count) { chunks_opened_.fetch_add(count, std::memory_order_relaxed); }

  struct Totals {
    uint64_t peak_plaintext_bytes = 0;
    uint64_t longest_plaintext_ns = 0;
    uint64_t plaintext_byte_ns = 0;
    uint64_t bytes_opened = 0;
    uint64_t bytes_wiped = 0;
    uint64_t chunks_opened = 0;
  };
  Totals Read() const;

 private:
  std::atomic<uint64_t> open_bytes_ = 0;
  std::atomic<uint64_t> peak_bytes_ = 0;
  std::atomic<uint64_t> longest_ns_ = 0;
  std::atomic<uint64_t> byte_ns_ = 0;
  std::atomic<uint64_t> bytes_opened_ = 0;
  std::atomic<uint64_t> bytes_wiped_ = 0;
  std::atomic<uint64_t> chunks_opened_ = 0;
};

enum class PanelLayout {
  kRows,
  kColumns,
  kMatrixPanels,
  kConvPanels,
  kDepthwisePanels,
  kMatrixPairs,
};

/// True for the layouts that wire::PackedShape describes; a PanelReader alone reads them.
constexpr bool IsPacked(PanelLayout layout) { return layout >= PanelLayout::kMatrixPanels; }

/// Where one weight lies in the plaintext stream and how it is cut. Checked against the blob's
/// length when it is made (ReadWeights in sealed_model.h), so that streams can't run past the end.
struct WeightInfo {
  wire::ElementType type = wire::ElementType::kUndefined;
  std::vector<int64_t> shape;
  PanelLayout layout = PanelLayout::kRows;
  uint64_t offset = 0;
  uint64_t byte_count = 0;
  uint64_t panel_extent = 0;  ///< rows (or columns) of each panel but the last
  wire::PackedShape packed;   ///< of packed layouts; a step of kMatrixPairs is two of the sum's
  /// What the stream holds: `type`, or for packed weights a half-precision type, from which the
  /// elements are made as they are opened. kUint32 of kMatrixPairs, which stay as they are.
  wire::ElementType storage = wire::ElementType::kUndefined;

  /// The rows (or columns) that its panels share out; 1 for a scalar.
  uint64_t extent() const;
};

/// The sealed chunks in memory, and the cipher that opens them. Outlives every stream over it.
struct SealedModel {
  ByteSpan sealed_chunks;
  const crypto::BlobCipher* cipher = nullptr;
  /// The whole plaintext stream, if the client lets its weights stay open; readers then read it.
  ByteSpan resident = {};
};

/// Where sealed chunks lie when they are opened. Both ways are right for either; the wrong one
/// takes a tenth longer for what is near, and a third for what is far.
enum class Distance {
  kNear,  ///< in a cache of the processor
  kFar,   ///< in memory: fetched ahead while they are opened, and some bytes beyond them
};

/// Opens the chunks from `first` on into `plaintext` (whole chunks, at least one) and counts them;
/// each tag is checked. Errors: kUnauthentic `weights_unauthentic`; then `plaintext` is wiped. Of
/// near ones, `upcoming` is fetched into the cache while the last is opened.
Done OpenChunks(const SealedModel& model, uint64_t first, MutableByteSpan plaintext, Ledger& ledger,
                Distance distance, ByteSpan upcoming = {});

/// The sealed chunks that hold the bytes [begin, end) of the plaintext stream, or of them as many
/// as there are: to be fetched into the cache in time, never to be read otherwise.
ByteSpan SealedBytesOf(const SealedModel& model, uint64_t begin, uint64_t end);

/// Plaintext of one panel. Wiped on destruction. Move-only.
class OpenPanel {
 public:
  OpenPanel(OpenPanel&& other) noexcept;
  OpenPanel& operator=(OpenPanel&&) = delete;
  ~OpenPanel();

  ByteSpan bytes() const { return resident_.empty() ? block_.bytes() : resident_; }
  /// The rows (or columns) of the weight that this panel holds.
  int64_t begin() const { return begin_; }
  int64_t end() const { return end_; }
  template <class T>
  const T* Values() const {
    return reinterpret_cast<const T*>(bytes().data());
  }

 private:
  friend class PanelStream;
  // From here on the block counts as plaintext, though it is still to be filled.
  OpenPanel(ArenaBlock block, int64_t begin, int64_t end, Ledger* ledger);
  // Of weights that stay open: neither counted nor wiped here.
  OpenPanel(ByteSpan resident, int64_t begin, int64_t end)
      : resident_(resident), begin_(begin), end_(end) {}
  MutableByteSpan Fill() { return block_.bytes(); }

  ArenaBlock block_;
  ByteSpan resident_;
  int64_t begin_;
  int64_t end_;
  Ledger* ledger_ = nullptr;  // null once moved from, or if resident
  std::chrono::steady_clock::time_point opened_at_;
};

class RowReader;

/// The panels of one weight. Threads: several may open panels of one stream at a time.
class PanelStream {
 public:
  PanelStream(const SealedModel& model, const WeightInfo& weight, Arena& arena, Ledger& ledger);

  const WeightInfo& weight() const { return *weight_; }
  /// What is opened at a time for a byte of the weight; 0 where weights stay open.
  uint64_t chunk_bytes() const {
    return model_->resident.empty() ? model_->cipher->chunk_bytes() : 0;
  }
  size_t panel_count() const;
  /// Opens panel `index`: every chunk that it touches is authenticated before a byte is returned.
  /// Errors: kUnauthentic `weights_unauthentic`, kOverLimit `session_memory_exceeded`.
  Result<OpenPanel> Open(size_t index) const;
  /// Opens rows [begin, end) of a weight in row panels, opening only the chunks that hold them.
  Result<OpenPanel> OpenRows(int64_t begin, int64_t end) const;
  /// Reads single rows of a weight in rows (row_reader.h).
  RowReader ReadRows(MutableByteSpan window) const;
  /// Opens the whole weight in its stored order.
  Result<OpenPanel> OpenWhole() const;
  /// Opens the whole weight in row-major order, whatever its panels are.
  Result<OpenPanel> OpenRowMajor() const;

  /// The chunk that holds all of a weight; none if several do, or if weights stay open.
  static std::optional<uint64_t> OnlyChunkOf(const SealedModel& model, const WeightInfo& weight);
  /// Opens whole weights in their stored order that lie in one chunk, which is opened once for all.
  /// Errors: as Open.
  static Result<std::vector<OpenPanel>> OpenTogether(const SealedModel& model,
                                                     std::span<const WeightInfo* const> weights,
                                                     Arena& arena, Ledger& ledger);

  /// Opens each of the chunks [begin, end) into a private buffer and wipes it: afterwards every tag
  /// of the range is known to be right. For a blob that just came from the host, padding included,
  /// so that nothing is computed on a blob of which any bit was changed. Errors: kUnauthentic
  /// `weights_unauthentic`, kOverLimit `session_memory_exceeded`.
  static Done Authenticate(const SealedModel& model, uint64_t begin, uint64_t end, Arena& arena,
                           Ledger& ledger);

 private:
  Result<OpenPanel> OpenRange(uint64_t offset, uint64_t bytes, int64_t begin, int64_t end) const;
  Result<OpenPanel> NewPanel(uint64_t bytes, int64_t begin, int64_t end) const;

  const SealedModel* model_;
  const WeightInfo* weight_;
  Arena* arena_;
  Ledger* ledger_;
};

}  // namespace ephemeralml::weights
