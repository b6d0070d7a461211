#pragma once
// How a product's panels are shared out among threads: by the time that they take, and again where
// one thread is done before another.

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "enclave/engine/base/kernel.h"
#include "enclave/weights/panel_reader.h"

namespace ephemeralml::engine::panels {

struct ItemRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Items (panels, heads, blocks of rows) that nobody has begun. Their thread takes them from the
/// front, in the order in which they lie; others, when they are done with their own, from the back:
/// processors that several tenants share are never equally fast for long. Threads: any, after Set.
class ItemQueue {
 public:
  /// Items [first, end), each below 2^32.
  void Set(int64_t first, int64_t end);
  std::optional<int64_t> TakeFirst();
  std::optional<int64_t> TakeLast();
  /// Half of what is there, or all of it if a half would be less than `least`.
  std::optional<ItemRange> TakeFirstHalf(int64_t least);
  /// Half of what is there, or nothing if that would be less than `least`.
  std::optional<ItemRange> TakeLastHalf(int64_t least);

 private:
  // On a line of its own; the first item in its upper half, the end in its lower one.
  alignas(64) std::atomic<uint64_t> items_ = 0;
};

/// Where each of `shares` shares ends, in units, if unit u stands for the block of rows
/// u % blocks of panel u / blocks: so that all take about as long. A panel that is cut is opened by
/// both sides. `rows` is the number of rows of all of a panel's blocks together.
std::vector<int64_t> CutIntoShares(const wire::PackedShape& shape, int64_t blocks, int64_t rows,
                                   size_t shares);

/// What there is to do with each panel of a weight.
struct PanelWork {
  int64_t blocks = 1;  ///< that the panel's rows are cut into
  int64_t rows = 0;    ///< of all blocks together
};

/// What a thread has to do of one panel.
struct PanelBlocks {
  weights::PanelReader& reader;      ///< reads the panel next
  weights::DerivedWeights& derived;  ///< of PanelJob::derived_bytes, the thread's own
  size_t share = 0;                  ///< the thread's, below the number of threads
  int64_t panel = 0;
  int64_t begin = 0;
  int64_t end = 0;
  /// What the thread will open when it has read all that the reader is for: for the cache, never
  /// to be read otherwise.
  ByteSpan ahead;
  /// All that the thread has been given of the panel; what it has done of it before lies before
  /// `begin`, and what others take from it behind `end`.
  ItemRange given;
  /// Of a job that may be split: the panel's open weights, once they were read.
  ByteSpan open;

  /// Of what is opened after the panel's next `bytes`, as many bytes: the part of it that these
  /// blocks should fetch into the cache, as all that were given together fetch all of it.
  ByteSpan SealedToFetch(size_t bytes) const;
};

/// All that there is to do with one weight, which outlives it.
struct PanelJob {
  const weights::PackedWeight* weight = nullptr;
  PanelWork work;
  std::function<Done(PanelBlocks& blocks)> run;
  size_t derived_bytes = 0;  ///< that a thread needs for another form of one panel's weights
  /// `run` may do a panel's blocks some at a time: it reads the panel once and leaves what it read
  /// in `open`. Other threads then take blocks of a panel that was begun, and read it, too.
  bool may_be_split = false;
};

/// Does all blocks of all panels of all jobs, on as many threads as that is worth: a thread's share
/// is a run of each weight's panels, which one reader reads, and no job waits for another. Opened
/// more than once are the panels at its ends, perhaps, those that another thread took blocks of,
/// and chunks that a panel which another thread took shares with its neighbours. Not from within a
/// parallel region. Errors: those of `run`, kOverLimit `session_memory_exceeded`.
Done RunOnPanels(KernelContext& context, std::span<const PanelJob> jobs);

}  // namespace ephemeralml::engine::panels
